/**
 * The authentication code of a record: `STAGE:VERSION:KEY:MAC`. It covers kind, name, uid, version
 * and content, so that a record cannot be forged, changed, copied to another name, or given another
 * version. It is stored beside the record, so that older releases can still read the record.
 */
import type { Macs } from '../../crypto/macs.ts'
import type { DocumentRecord, IntegrationRecord } from '../store.ts'

/** Data that a code covers. */
export interface AuthenticRecord {
  /** `integration`, `custody`, `refusal`, or a kind of document. */
  readonly kind: string
  readonly name: string
  /** Empty if the name is sufficient. */
  readonly uid: string
  readonly version: number
  /** The content in a fixed order. */
  readonly content: readonly string[]
}

/** The kind of integrations; no kind of document has this name. */
export const INTEGRATION = 'integration'
export const REFUSAL = 'refusal'
export const CUSTODY = 'custody'

/** Excludes the secrets, which are sealed for the definition. */
export const ofIntegration = ({
  name,
  uid,
  version,
  digests,
  definition,
}: Pick<
  IntegrationRecord,
  'name' | 'uid' | 'version' | 'digests' | 'definition'
>): AuthenticRecord => ({
  ...{ kind: INTEGRATION, name, uid, version },
  content: [JSON.stringify(digests), definition],
})

export const ofDocument = (
  kind: string,
  { id, version, body }: Pick<DocumentRecord, 'id' | 'version' | 'body'>,
): AuthenticRecord => ({ kind, name: id, uid: '', version, content: [body] })

/** `a`: created while records without a code were accepted. `b`: created since. */
export type Stage = 'a' | 'b'

interface ParsedMac {
  readonly stage: Stage
  readonly version: number
  readonly keyId: string
  readonly mac: string
}

/** `outdated`: for an earlier version; a release without codes has written the record since. */
type Verdict = 'authentic' | 'absent' | 'outdated' | 'key_unknown' | 'mac_wrong'

const FORM = /^([ab]):([1-9][0-9]{0,15}):([A-Za-z0-9._-]{1,64}):([A-Za-z0-9_-]{43})$/

/** Undefined if the form is invalid. */
export function parseMac(text: string | undefined): ParsedMac | undefined {
  const [, stage, version, keyId, mac] = FORM.exec(text ?? '') ?? []
  if (keyId === undefined || mac === undefined) return undefined
  return { stage: stage as Stage, version: Number(version), keyId, mac }
}

export function macOf(macs: Macs, stage: Stage, record: AuthenticRecord): string {
  const mac = macs.make(covered(stage, macs.keyId, record))
  return `${stage}:${record.version}:${macs.keyId}:${mac}`
}

export function judgeMac(macs: Macs, text: string | undefined, record: AuthenticRecord): Verdict {
  if (text === undefined || text === '') return 'absent'
  const parsed = parseMac(text)
  if (!parsed || parsed.version > record.version) return 'mac_wrong'
  if (parsed.version < record.version) return 'outdated'
  const { stage, keyId, mac } = parsed
  const isRight = macs.verifies(keyId, covered(stage, keyId, record), mac)
  if (isRight === undefined) return 'key_unknown'
  return isRight ? 'authentic' : 'mac_wrong'
}

/** JSON, so that the text is unambiguous. */
const covered = (
  stage: Stage,
  keyId: string,
  { kind, name, uid, version, content }: AuthenticRecord,
): string => JSON.stringify([stage, keyId, kind, name, uid, version, ...content])
