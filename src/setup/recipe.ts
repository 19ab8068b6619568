/** What each grant needs of the app in Salesforce: one row a grant. */
import type { GrantSettings } from '../grants/grant.ts'
import type { GrantType } from '../grants/index.ts'
import type { UserPermission } from '../grants/org-api/user-permissions.ts'

/** A scope as Setup, the token answer and the Metadata API name it. */
export interface Scope {
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

export interface RecipeUser {
  /** Null: it is not for the integration to say. */
  readonly license: string | null
  readonly profile: string | null
  /** System permissions that its permission set gives. */
  readonly permissions: readonly UserPermission[]
}

/** Help, Give Integration Users API Only Access: the license that is made for it, and its profile. */
const INTEGRATION_USER: RecipeUser = {
  license: 'Salesforce Integration',
  profile: 'Minimum Access - API Only Integrations',
  permissions: ['ApiEnabled', 'ApiUserOnly'],
}
/** A person logs in to approve the app, or the handler finds one: not API Only. */
const PERSON: RecipeUser = { license: null, profile: null, permissions: ['ApiEnabled'] }
const NOBODY: RecipeUser = { license: null, profile: null, permissions: [] }

export interface Recipe {
  /** What the grant is called in Setup. */
  readonly title: string
  /** The box to tick under Flow Enablement; null where none is needed. */
  readonly flow: string | null
  readonly scopes: readonly Scope[]
  /** Whose name the app acts under: a user of the settings, the run-as user of its policies, whoever approved it in a browser, whom a token handler finds; or it acts for no app of its own, but exchanges another integration's token. */
  readonly actsAs: 'username' | 'run_as_user' | 'approving_user' | 'handled_user' | 'source'
  /** The smallest user that does. */
  readonly user: RecipeUser
  /** How long an approval or a refresh token lasts: what Setup and the Metadata API call it. */
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
      why: 'This grant gets no refresh token; but where users approve the app by themselves, the approval ends with it',
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
      why: 'Where one must expire if not used, say after how many days in refresh_token_idle_days',
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
      why: 'The broker keeps none that this grant may get',
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

/** Throws where there is none: types come out of validated settings. */
export function recipeOf({ type }: GrantSettings): Recipe {
  const recipe = Object.hasOwn(RECIPES, type) ? RECIPES[type as GrantType] : undefined
  if (recipe === undefined) throw new Error(`no recipe for the grant ${JSON.stringify(type)}`)
  return recipe
}
