/** The identity of a lease in the forms of Salesforce: ids of 18 characters, and the identity URL. Pure. */
import type { Lease } from './lease.ts'

type Ids = Pick<Lease, 'orgId' | 'userId' | 'identityUrl'>

/** Salesforce's own id of nothing. */
const NO_ID = '000000000000000'
const CHECKSUM = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ012345'

/** The id with the checksum of upper-case letters that makes it safe where case is lost. */
function longId(id: string): string {
  if (id.length !== 15) return id
  const parts = [id.slice(0, 5), id.slice(5, 10), id.slice(10)]
  const sums = parts.map((part) =>
    [...part].reduce((sum, letter, at) => sum + (/[A-Z]/.test(letter) ? 2 ** at : 0), 0),
  )
  return id + sums.map((sum) => CHECKSUM.charAt(sum)).join('')
}

interface DoorIdentity {
  /** 18 characters. Salesforce's id of nothing if the token does not state it. */
  readonly orgId: string
  readonly userId: string
  /** `https://login.salesforce.com/id/ORG18/USER18`, at the host that Salesforce stated. */
  readonly url: string
}

export const NO_LONG_ID = longId(NO_ID)

export function longIdentityOf({ orgId, userId, identityUrl }: Ids): DoorIdentity {
  const ids = { orgId: longId(orgId ?? NO_ID), userId: longId(userId ?? NO_ID) }
  const origin = identityUrl === undefined ? undefined : new URL(identityUrl).origin
  return {
    ...ids,
    url: `${origin ?? 'https://login.salesforce.com'}/id/${ids.orgId}/${ids.userId}`,
  }
}
