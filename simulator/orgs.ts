import { BlockList } from 'node:net'

import type { RecordIds } from './identifiers.ts'

/** The My Domains of orgs, in the order in which the orgs were made. */
export const ORG_ADDRESSES: readonly string[] = [
  '127.0.0.1',
  ...Array.from({ length: 9 }, (_, index) => `127.0.0.${index + 4}`),
]

/** The orgs and their users, and what an administrator may change about them. */
export interface Directory {
  addOrg(org: NewOrg): Org
  /** Throws if there is no such org. */
  org(id: string): Org
  orgs(): readonly Org[]
  updateOrg(id: string, changes: OrgChanges): Org
  addUser(user: NewUser): User
  /** By username, in one org. */
  findUser(orgId: string, username: string): User | undefined
  /** By id. Throws if there is no such user. */
  user(id: string): User
  users(): readonly User[]
  updateUser(username: string, changes: UserChanges): User
}

export interface Org {
  /** 18 characters. */
  readonly id: string
  /** The label before `.my.salesforce.com`; a sandbox's has `--` in it. */
  readonly myDomain: string
  readonly kind: 'production' | 'sandbox'
  /** The loopback address of its My Domain. */
  readonly address: string
  readonly active: boolean
  /** A trial or scratch org whose time is over. */
  readonly expired: boolean
  /** Whether its edition has the API. */
  readonly apiEnabled: boolean
  /** The API calls of its last 24 hours are used up. */
  readonly apiCallsUsedUp: boolean
  /** A host of its site, beside that on `*.my.site.com`. Null: none. */
  readonly customDomain: string | null
  /** Setup → Session Settings: a session is good only from the address that it was made from. */
  readonly locksSessionsToIp: boolean
  /** Setup → External Client App Settings: consumer secrets can be had through the REST API. */
  readonly consumerSecretsByRest: boolean
}

export interface NewOrg {
  readonly myDomain: string
  /** Default: `sandbox` if the label has `--` in it. */
  readonly kind?: Org['kind']
}

export type OrgChanges = Partial<
  Pick<
    Org,
    | 'active'
    | 'expired'
    | 'apiEnabled'
    | 'apiCallsUsedUp'
    | 'customDomain'
    | 'locksSessionsToIp'
    | 'consumerSecretsByRest'
  >
>

export interface User {
  /** 18 characters. */
  readonly id: string
  readonly orgId: string
  readonly username: string
  readonly state: 'active' | 'inactive' | 'frozen' | 'locked'
  /** CIDRs a login may come from. Null: anywhere. */
  readonly loginIpRanges: readonly string[] | null
  /** Hours of the day in UTC, `from` included and `to` not. Null: any time. */
  readonly loginHours: { readonly from: number; readonly to: number } | null
  /** Has the permission to modify metadata through the Metadata API. */
  readonly mayModifyMetadata: boolean
  /** Has the permissions External Client App Developer and View Client Secret. */
  readonly mayStageCredentials: boolean
  /** System permissions by their API names. Default: those of the smallest integration user. */
  readonly permissions: readonly string[]
}

const SMALLEST = ['ApiEnabled', 'ApiUserOnly']

export interface NewUser extends UserChanges {
  readonly username: string
  /** Default: the first org. */
  readonly orgId?: string
}

export type UserChanges = Partial<
  Pick<
    User,
    | 'state'
    | 'loginIpRanges'
    | 'loginHours'
    | 'mayModifyMetadata'
    | 'mayStageCredentials'
    | 'permissions'
  >
>

export function createDirectory(ids: RecordIds): Directory {
  const orgs = new Map<string, Org>()
  const users = new Map<string, User>()

  function org(id: string): Org {
    const found = orgs.get(id)
    if (found === undefined) throw new Error(`There is no org ${id}`)
    return found
  }

  return {
    addOrg({ myDomain, kind = myDomain.includes('--') ? 'sandbox' : 'production' }) {
      const address = ORG_ADDRESSES[orgs.size]
      if (address === undefined) {
        throw new Error(`The simulator has loopback addresses for ${ORG_ADDRESSES.length} orgs`)
      }
      const added: Org = {
        id: ids.next('00D'),
        myDomain,
        kind,
        address,
        active: true,
        expired: false,
        apiEnabled: true,
        apiCallsUsedUp: false,
        customDomain: null,
        locksSessionsToIp: false,
        consumerSecretsByRest: true,
      }
      orgs.set(added.id, added)
      return added
    },
    org,
    orgs: () => [...orgs.values()],
    updateOrg(id, changes) {
      const updated = { ...org(id), ...changes }
      orgs.set(id, updated)
      return updated
    },
    addUser({ username, orgId = firstOf(orgs.keys()), ...changes }) {
      if ([...users.values()].some((user) => user.username === username)) {
        throw new Error(`There is a user ${username} already; usernames are unique everywhere`)
      }
      const added: User = {
        id: ids.next('005'),
        orgId: org(orgId).id,
        username,
        state: 'active',
        loginIpRanges: null,
        loginHours: null,
        mayModifyMetadata: true,
        mayStageCredentials: true,
        permissions: SMALLEST,
        ...changes,
      }
      users.set(added.id, added)
      return added
    },
    findUser: (orgId, username) =>
      [...users.values()].find((user) => user.orgId === orgId && user.username === username),
    user(id) {
      const found = users.get(id)
      if (found === undefined) throw new Error(`There is no user ${id}`)
      return found
    },
    users: () => [...users.values()],
    updateUser(username, changes) {
      const found = [...users.values()].find((user) => user.username === username)
      if (found === undefined) throw new Error(`There is no user ${username}`)
      const updated = { ...found, ...changes }
      users.set(found.id, updated)
      return updated
    },
  }
}

function firstOf(ids: Iterable<string>): string {
  for (const id of ids) return id
  throw new Error('There is no org yet')
}

/** May this user log in from this IPv4 address? */
export function isAllowedFrom(user: User, address: string): boolean {
  if (user.loginIpRanges === null) return true
  const allowed = new BlockList()
  for (const range of user.loginIpRanges) {
    const [network = range, prefix = '32'] = range.split('/')
    allowed.addSubnet(network, Number(prefix), 'ipv4')
  }
  return allowed.check(address, 'ipv4')
}

/** May this user log in at this time? */
export function isAllowedAt(user: User, at: number): boolean {
  if (user.loginHours === null) return true
  const hour = new Date(at).getUTCHours()
  return hour >= user.loginHours.from && hour < user.loginHours.to
}
