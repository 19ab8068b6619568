import { BlockList } from 'node:net'

import type { RecordIds } from './identifiers.ts'

/** The My Domains of orgs, in the order of their creation. */
export const ORG_ADDRESSES: readonly string[] = [
  '127.0.0.1',
  ...Array.from({ length: 9 }, (_, index) => `127.0.0.${index + 4}`),
]

/** The orgs and their users, and their settings by an administrator. */
export interface Directory {
  addOrg(org: NewOrg): Org
  /** Throws if the org does not exist. */
  org(id: string): Org
  orgs(): readonly Org[]
  updateOrg(id: string, changes: OrgChanges): Org
  addUser(user: NewUser): User
  /** Finds a user by username in one org. */
  findUser(orgId: string, username: string): User | undefined
  /** Finds a user by id. Throws if it does not exist. */
  user(id: string): User
  users(): readonly User[]
  updateUser(username: string, changes: UserChanges): User
}

export interface Org {
  /** 18 characters. */
  readonly id: string
  /** The label before `.my.salesforce.com`. That of a sandbox contains `--`. */
  readonly myDomain: string
  readonly kind: 'production' | 'sandbox'
  /** The loopback address of its My Domain. */
  readonly address: string
  readonly active: boolean
  /** A trial or scratch org that has expired. */
  readonly expired: boolean
  /** Whether its edition has the API. */
  readonly apiEnabled: boolean
  /** Whether the API calls of the last 24 hours are used up. */
  readonly apiCallsUsedUp: boolean
  /** A host of its site, besides the one on `*.my.site.com`. Null: none. */
  readonly customDomain: string | null
  /** Setup → Session Settings: a session is only valid from the address that opened it. */
  readonly locksSessionsToIp: boolean
  /** Setup → External Client App Settings: the REST API may return consumer secrets. */
  readonly consumerSecretsByRest: boolean
}

export interface NewOrg {
  readonly myDomain: string
  /** Default: `sandbox` if the label contains `--`. */
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
  /** Allowed CIDRs for logins. Null: any address. */
  readonly loginIpRanges: readonly string[] | null
  /** Hours of the day in UTC, with `from` and without `to`. Null: any time. */
  readonly loginHours: { readonly from: number; readonly to: number } | null
  /** Whether the user may modify metadata by the Metadata API. */
  readonly mayModifyMetadata: boolean
  /** Whether the user has the permissions External Client App Developer and View Client Secret. */
  readonly mayStageCredentials: boolean
  /** System permissions by their API names. Default: those of a minimal integration user. */
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

/** Whether the user may log in from this IPv4 address. */
export function isAllowedFrom(user: User, address: string): boolean {
  if (user.loginIpRanges === null) return true
  const allowed = new BlockList()
  for (const range of user.loginIpRanges) {
    const [network = range, prefix = '32'] = range.split('/')
    allowed.addSubnet(network, Number(prefix), 'ipv4')
  }
  return allowed.check(address, 'ipv4')
}

/** Whether the user may log in at this time. */
export function isAllowedAt(user: User, at: number): boolean {
  if (user.loginHours === null) return true
  const hour = new Date(at).getUTCHours()
  return hour >= user.loginHours.from && hour < user.loginHours.to
}
