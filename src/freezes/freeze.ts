/** Freezes: the orders of operators that integrations give no tokens, and how far each was carried out. */
import { Type } from 'typebox'
import { documentKind } from '../store/documents.ts'
import { type BodyOf, nullable } from '../store/record-body.ts'

/** What a freeze is about. An integration is selected if any member selects it. */
const Selector = Type.Object({
  integrations: Type.Array(Type.String()),
  /** The integration has all of them. Empty: selects nothing. */
  labels: Type.Unsafe<Readonly<Record<string, string>>>(Type.Object({})),
  clientIds: Type.Array(Type.String()),
  /** 15 or 18 characters; the first 15 decide. */
  orgIds: Type.Array(Type.String()),
  all: Type.Boolean(),
})

export type Selector = BodyOf<typeof Selector>

const Freeze = Type.Object({
  id: Type.String(),
  selector: Selector,
  reason: Type.String(),
  /** Epoch milliseconds of the store's clock. */
  since: Type.Number(),
  /** The principal that ordered it. */
  by: Type.String(),
  /** Whether live tokens are revoked at Salesforce. */
  revoke: Type.Boolean(),
  /** Whether connections end, too: their refresh tokens are revoked. */
  revokeRefreshTokens: Type.Boolean(),
})

export type Freeze = BodyOf<typeof Freeze>

/**
 * The freezes in force, as one document, so that its version says whether a replica knows all of
 * them. A lease is saved only if the version is the one that was checked.
 */
export const REGISTER = documentKind({
  kind: 'freezes',
  schema: Type.Object({ freezes: Type.Array(Freeze) }),
})

/** The one id of the register. */
export const REGISTER_ID = 'all'

/** How far a freeze was carried out. Exists from the first look at its integrations. */
const Progress = Type.Object({
  freeze: Freeze,
  /** When it was lifted, and by whom. Null: it may be in force; the register says. */
  lifted: nullable(Type.Object({ at: Type.Number(), by: Type.String() })),
  /** Selected integrations at the last count. Null: they were not counted yet. */
  selected: nullable(Type.Number()),
  /** How many of them were looked at. */
  lookedAt: Type.Number(),
  /** The last name that was looked at. Null: none, or all were. */
  cursor: nullable(Type.String()),
  /** Tokens found behind the cursor. They are counted in `found` when the cursor moves, so that a look that is repeated after a crash counts each once. */
  pending: Type.Array(Type.String()),
  /** Tokens that were found alive. */
  found: Type.Number(),
  /** Tokens that Salesforce did not end within seven days. */
  gaveUp: Type.Number(),
  /** Connections that were ended. */
  connections: Type.Number(),
  /** When all integrations were looked at for the first time. */
  sweptAt: nullable(Type.Number()),
})

export type Progress = BodyOf<typeof Progress>

export const PROGRESS = documentKind({ kind: 'freeze', schema: Progress })

/** How long a lifted freeze can be read. */
export const LIFTED_KEPT_MS = 30 * 86_400_000
/** Most freezes in force, so that the register stays small. */
export const FREEZES_MAX = 64

export const newProgress = (freeze: Freeze): Progress => ({
  freeze,
  lifted: null,
  selected: null,
  lookedAt: 0,
  cursor: null,
  pending: [],
  found: 0,
  gaveUp: 0,
  connections: 0,
  sweptAt: null,
})
