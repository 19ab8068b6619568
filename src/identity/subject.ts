/** The Salesforce user of an integration, in its org, as seen in tokens. */
import { isDeepStrictEqual } from 'node:util'
import { Type } from 'typebox'
import type { Integration } from '../integrations/integration.ts'
import { documentKind } from '../store/documents.ts'
import type { BodyOf } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'
import { identityMembers, isSameId, type TokenIdentity } from './identity.ts'

const TokenSubject = Type.Object({
  uid: Type.String(),
  /** The digest of the lease with this token. It proves nothing for another digest. */
  digest: Type.String(),
  ...identityMembers,
})

export type TokenSubject = BodyOf<typeof TokenSubject>

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
): Promise<TokenSubject | undefined> {
  const subject = (await SUBJECTS.read(documents, name))?.body
  return subject?.uid === uid ? subject : undefined
}

/** Writes only a changed subject, so that usual mints cause no write. */
export async function rememberSubject(
  documents: Pick<Documents, 'read' | 'write'>,
  lease: MintedToken,
  asked = readSubject(documents, { name: lease.integration, uid: lease.uid }),
): Promise<void> {
  const subject: TokenSubject = {
    uid: lease.uid,
    digest: lease.digest,
    orgId: lease.orgId ?? null,
    userId: lease.userId ?? null,
    instanceUrl: lease.instanceUrl,
  }
  const former = await asked
  if (former && isDeepStrictEqual(former, subject)) return
  await SUBJECTS.write(documents, lease.integration, subject, { expected: 'any' })
}
