/**
 * The code beside each record: `STAGE:VERSION:KEY:MAC`. It covers what the record is (kind, name,
 * unique id, version) and what it says, so that none can be forged, changed, pasted over another or
 * given another version. It stands beside the record and not in it, so that a release that knows
 * nothing of it reads the record as ever.
 */
import type { Macs } from '../../crypto/macs.ts'
import type { DocumentRecord, IntegrationRecord } from '../store.ts'

/** What a code covers. */
export interface AuthenticRecord {
  /** `integration`, `custody`, `refusal`, or a kind of document. */
  readonly kind: string
  readonly name: string
  /** Empty where the name is enough. */
  readonly uid: string
  readonly version: number
  /** What it says, in a fixed order. */
  readonly content: readonly string[]
}

/** The kind of integrations; no kind of document has this name. */
export const INTEGRATION = 'integration'
/** The same of what lies beside an integration. */
export const REFUSAL = 'refusal'
export const CUSTODY = 'custody'

/** The secrets are sealed for the definition, and are no part of it. */
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

/** `a`: made while records without a code were accepted, too; `b`: since they are refused. */
export type Stage = 'a' | 'b'

export interface ParsedMac {
  readonly stage: Stage
  readonly version: number
  readonly keyId: string
  readonly mac: string
}

/** `outdated`: of an earlier version; a release that makes no codes has written the record since. */
export type Verdict = 'authentic' | 'absent' | 'outdated' | 'key_unknown' | 'mac_wrong'

const FORM = /^([ab]):([1-9][0-9]{0,15}):([A-Za-z0-9._-]{1,64}):([A-Za-z0-9_-]{43})$/

/** Undefined where it is none of ours. */
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

/** Unambiguous, for it is JSON. */
const covered = (
  stage: Stage,
  keyId: string,
  { kind, name, uid, version, content }: AuthenticRecord,
): string => JSON.stringify([stage, keyId, kind, name, uid, version, ...content])
