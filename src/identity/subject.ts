/** The Salesforce user that an integration was seen to act as, in its org. */
import { isDeepStrictEqual } from 'node:util'
import type { Integration } from '../integrations/integration.ts'
import type { Documents } from '../store/store.ts'
import { isSameId, type TokenIdentity } from './identity.ts'

export interface TokenSubject {
  readonly uid: string
  /** The digest of the lease that showed it: another digest is not proven by it. */
  readonly digest: string
  readonly orgId: string | null
  readonly userId: string | null
  readonly instanceUrl: string
}

/** A token, and what it was minted for. */
export interface MintedToken extends TokenIdentity {
  readonly integration: string
  /** Of the integration. */
  readonly uid: string
  /** Of what it was minted for. */
  readonly digest: string
}

/** Is the token of this user? */
export const isOfSubject = (
  { orgId, userId }: Pick<TokenIdentity, 'orgId' | 'userId'>,
  subject: Pick<TokenSubject, 'orgId' | 'userId'>,
): boolean =>
  orgId !== undefined &&
  userId !== undefined &&
  isSameId(orgId, subject.orgId) &&
  isSameId(userId, subject.userId)

const KIND = 'subject'

/** `undefined`: no token was ever minted for the integration as it is. */
export async function readSubject(
  documents: Pick<Documents, 'read'>,
  { name, uid }: Pick<Integration, 'name' | 'uid'>,
): Promise<TokenSubject | undefined> {
  const record = await documents.read(KIND, name)
  if (!record) return undefined
  const subject = JSON.parse(record.body) as TokenSubject
  return subject.uid === uid ? subject : undefined
}

/** Written only when it differs from what was there before the mint, so that the usual one writes nothing. */
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
  await documents.write(KIND, lease.integration, JSON.stringify(subject), { expected: 'any' })
}
