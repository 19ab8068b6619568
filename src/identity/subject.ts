/** The Salesforce user of an integration, in its org, as seen in tokens. */
import { isDeepStrictEqual } from 'node:util'
import { Type } from 'typebox'
import type { Integration } from '../integrations/integration.ts'
import { documentKind } from '../store/documents.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { DocumentWrite } from '../store/records.ts'
import type { Documents } from '../store/store.ts'
import { identityMembers, isSameId, type TokenIdentity } from './identity.ts'

const TokenSubject = Type.Object({
  uid: Type.String(),
  /** The digest of the lease with this token. It proves nothing for another digest. */
  digest: Type.String(),
  ...identityMembers,
})

export type TokenSubject = BodyOf<typeof TokenSubject>

export interface StoredSubject extends TokenSubject {
  /** Version of the document. */
  readonly version: number
}

/** A token and the integration that it was minted for. */
interface MintedToken extends TokenIdentity {
  readonly integration: string
  readonly uid: string
  readonly digest: string
}

export const isOfSubject = (
  { orgId, userId }: Pick<TokenIdentity, 'orgId' | 'userId'>,
  subject: Pick<TokenSubject, 'orgId' | 'userId'>,
): boolean =>
  orgId !== undefined &&
  userId !== undefined &&
  isSameId(orgId, subject.orgId) &&
  isSameId(userId, subject.userId)

const SUBJECTS = documentKind({ kind: 'subject', schema: TokenSubject })

/** Undefined: no token was minted for the current state of the integration. */
export async function readSubject(
  documents: Pick<Documents, 'read'>,
  { name, uid }: Pick<Integration, 'name' | 'uid'>,
): Promise<StoredSubject | undefined> {
  const stored = await SUBJECTS.read(documents, name)
  return stored?.body.uid === uid ? { ...stored.body, version: stored.version } : undefined
}

const subjectOf = (lease: MintedToken): TokenSubject => ({
  uid: lease.uid,
  digest: lease.digest,
  orgId: lease.orgId ?? null,
  userId: lease.userId ?? null,
  instanceUrl: lease.instanceUrl,
})

const isSameSubject = ({ version: _, ...former }: StoredSubject, subject: TokenSubject): boolean =>
  isDeepStrictEqual(former, subject)

/** For the save of the lease. Undefined: the subject is unchanged. The save is refused if a former integration with this name left a subject. */
export function unsavedSubject(
  lease: MintedToken,
  former: StoredSubject | undefined,
): DocumentWrite | undefined {
  const subject = subjectOf(lease)
  if (former && isSameSubject(former, subject)) return undefined
  return SUBJECTS.within(lease.integration, subject, former?.version ?? 'absent')
}

/** Writes only a changed subject, so that usual mints cause no write. */
export async function rememberSubject(
  documents: Pick<Documents, 'read' | 'write'>,
  lease: MintedToken,
): Promise<void> {
  const { integration: name, uid } = lease
  const former = await readSubject(documents, { name, uid })
  const subject = subjectOf(lease)
  if (former && isSameSubject(former, subject)) return
  await SUBJECTS.write(documents, name, subject, { expected: 'any' })
}
