/** What each grant requires of the app in Salesforce. */
import type { GrantSettings } from '../grants/grant.ts'
import type { GrantType } from '../grants/index.ts'
import type { UserPermission } from '../grants/org-api/user-permissions.ts'

/** The name of a scope in Setup, in the token answer and in the Metadata API. */
interface Scope {
  readonly label: string
  readonly name: string
  readonly metadataName: string
}

const API: Scope = { label: 'Manage user data via APIs', name: 'api', metadataName: 'Api' }
const REFRESH: Scope = {
  label: 'Perform requests at any time',
  name: 'refresh_token, offline_access',
  metadataName: 'RefreshToken',
}

const DATA_CLOUD: Scope = {
  label: 'Access all Data Cloud API resources',
  name: 'cdp_api',
  metadataName: 'CDPApi',
}

interface RecipeUser {
  readonly license: string | null
  readonly profile: string | null
  readonly permissions: readonly UserPermission[]
}

/** The license for integrations and its profile (Help, Give Integration Users API Only Access). */
const INTEGRATION_USER: RecipeUser = {
  license: 'Salesforce Integration',
  profile: 'Minimum Access - API Only Integrations',
  permissions: ['ApiEnabled', 'ApiUserOnly'],
}
/** A person who logs in to approve the app, or whom the handler finds; therefore not API Only. */
const PERSON: RecipeUser = { license: null, profile: null, permissions: ['ApiEnabled'] }
const NOBODY: RecipeUser = { license: null, profile: null, permissions: [] }

export interface Recipe {
  readonly title: string
  /** The checkbox under Flow Enablement; null if none is needed. */
  readonly flow: string | null
  readonly scopes: readonly Scope[]
  /** The user that the app acts as: a user in the settings, the run-as user, the user who approved it, or the user that a token handler finds. `source`: there is no app, because the token of another integration is exchanged. */
  readonly actsAs: 'username' | 'run_as_user' | 'approving_user' | 'handled_user' | 'source'
  /** The user with the fewest permissions that works. */
  readonly user: RecipeUser
  /** Lifetime of an approval or a refresh token, as named in Setup and in the Metadata API. */
  readonly refreshTokenPolicy: {
    readonly label: string
    readonly metadataName: 'Infinite' | 'Zero'
    readonly why: string
  }
}

const RECIPES = {
  jwt_bearer: {
    title: 'JWT bearer flow',
    flow: 'Enable JWT Bearer Flow',
    scopes: [API, REFRESH],
    actsAs: 'username',
    user: INTEGRATION_USER,
    refreshTokenPolicy: {
      label: 'Refresh token is valid until revoked',
      metadataName: 'Infinite',
      why: 'This grant gets no refresh token. But if users approve the app themselves, the approval ends with it',
    },
  },
  client_credentials: {
    title: 'Client credentials flow',
    flow: 'Enable Client Credentials Flow',
    scopes: [API],
    actsAs: 'run_as_user',
    user: INTEGRATION_USER,
    refreshTokenPolicy: {
      label: 'Immediately expire refresh token',
      metadataName: 'Zero',
      why: 'This grant gets none',
    },
  },
  refresh_token: {
    title: 'Refresh token flow',
    flow: null,
    scopes: [API, REFRESH],
    actsAs: 'approving_user',
    user: PERSON,
    refreshTokenPolicy: {
      label: 'Refresh token is valid until revoked',
      metadataName: 'Infinite',
      why: 'If a policy requires that unused tokens expire, set the number of days in refresh_token_idle_days',
    },
  },
  token_exchange: {
    title: 'Token exchange flow',
    flow: 'Enable Token Exchange Flow',
    scopes: [API],
    actsAs: 'handled_user',
    user: PERSON,
    refreshTokenPolicy: {
      label: 'Immediately expire refresh token',
      metadataName: 'Zero',
      why: 'The broker keeps no refresh token of this grant',
    },
  },
  data_cloud: {
    title: 'Data Cloud token exchange',
    flow: null,
    scopes: [DATA_CLOUD],
    actsAs: 'source',
    user: NOBODY,
    refreshTokenPolicy: {
      label: 'Immediately expire refresh token',
      metadataName: 'Zero',
      why: 'This grant gets none',
    },
  },
} as const satisfies Record<GrantType, Recipe>

/** Throws if there is none: types come from validated settings. */
export function recipeOf({ type }: GrantSettings): Recipe {
  const recipe = Object.hasOwn(RECIPES, type) ? RECIPES[type as GrantType] : undefined
  if (recipe === undefined) throw new Error(`no recipe for the grant ${JSON.stringify(type)}`)
  return recipe
}
