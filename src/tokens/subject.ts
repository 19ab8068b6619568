/** The Salesforce user that an integration was seen to act as, in its org. */
import { isDeepStrictEqual } from 'node:util'
import type { Integration } from '../integrations/integration.ts'
import type { Documents } from '../store/store.ts'
import { isSameId } from './identity.ts'
import type { Lease } from './lease.ts'

export interface Subject {
  readonly uid: string
  /** The digest of the lease that showed it: another digest is not proven by it. */
  readonly digest: string
  readonly orgId: string | null
  readonly userId: string | null
  readonly instanceUrl: string
}

/** Is the token of this user? */
export const isOfSubject = (
  { orgId, userId }: Pick<Lease, 'orgId' | 'userId'>,
  subject: Pick<Subject, 'orgId' | 'userId'>,
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
): Promise<Subject | undefined> {
  const record = await documents.read(KIND, name)
  if (!record) return undefined
  const subject = JSON.parse(record.body) as Subject
  return subject.uid === uid ? subject : undefined
}

/** Written only when it differs from what was there before the mint, so that the usual one writes nothing. */
export async function rememberSubject(
  documents: Pick<Documents, 'read' | 'write'>,
  lease: Lease,
  asked = readSubject(documents, { name: lease.integration, uid: lease.uid }),
): Promise<void> {
  const subject: Subject = {
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
