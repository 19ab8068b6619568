// Made by `npm run generate` from openapi.yaml.

import type {
  AssetTokenDefinition,
  ClientCredentialsDefinition,
  DataCloudDefinition,
  JWTBearerDefinition,
  JWTBearerDefinitionThatIsDeployed,
  RefreshTokenDefinition,
  SignedClientCredentialsDefinition,
  SignedRefreshTokenDefinition,
  SignedTokenExchangeDefinition,
  TokenExchangeDefinition,
} from './definitions.ts'
import type {
  AcceptedIdentity,
  AcceptedIdentityList,
  DoctorSReport,
  Integration,
  IntegrationList,
  SetupSheet,
  WrittenIntegration,
} from './integrations.ts'
import type { DPoPReport } from './probes.ts'
import type { IntegrationSummary } from './summaries.ts'
import type { CallerCountList } from './usage.ts'

export interface IntegrationsOperations {
  /** Create or replace an integration. */
  readonly putIntegration: {
    readonly path: { readonly name: string }
    readonly body:
      | JWTBearerDefinition
      | JWTBearerDefinitionThatIsDeployed
      | ClientCredentialsDefinition
      | SignedClientCredentialsDefinition
      | RefreshTokenDefinition
      | SignedRefreshTokenDefinition
      | TokenExchangeDefinition
      | SignedTokenExchangeDefinition
      | AssetTokenDefinition
      | DataCloudDefinition
    readonly answer: WrittenIntegration
  }
  /** An integration and its status. */
  readonly getIntegration: {
    readonly path: { readonly name: string }
    readonly answer: Integration
  }
  /** Change members of an integration. */
  readonly patchIntegration: {
    readonly path: { readonly name: string }
    readonly body: Readonly<Record<string, unknown>>
    readonly answer: WrittenIntegration
  }
  /** Revoke the token of an integration and erase it with its secrets. */
  readonly deleteIntegration: {
    readonly path: { readonly name: string }
    readonly answer: undefined
  }
  /** Lists each field to set in Salesforce for this integration. */
  readonly getSetup: {
    readonly path: { readonly name: string }
    readonly answer: SetupSheet
  }
  /** Finds out why an integration gets no token, or a token with defects. */
  readonly testIntegration: {
    readonly path: { readonly name: string }
    readonly body: Readonly<Record<string, never>> | null
    readonly answer: DoctorSReport
  }
  /** Finds out what the org of an integration does with DPoP. */
  readonly probeDpop: {
    readonly path: { readonly name: string }
    readonly body: Readonly<Record<string, never>> | null
    readonly answer: DPoPReport
  }
  /** The integrations that you may see, in order of name. */
  readonly listIntegrations: {
    readonly query?: {
      readonly limit?: number
      readonly cursor?: string
      readonly state?:
        | 'draft'
        | 'unproven'
        | 'ready'
        | 'propagating'
        | 'refused'
        | 'identity_changed'
        | 'disabled'
        | 'not_connected'
        | 'frozen'
      readonly label?: string
      readonly certificate_expires_before?: string
    }
    readonly answer: IntegrationList
  }
  /** How many integrations you may see, by state, label and end of the certificate. */
  readonly summariseIntegrations: {
    readonly answer: IntegrationSummary
  }
  /** Lists the principals that fetched tokens of an integration in the last 30 days. */
  readonly listIntegrationCallers: {
    readonly path: { readonly name: string }
    readonly query?: { readonly limit?: number; readonly cursor?: string }
    readonly answer: CallerCountList
  }
  /** Accepts tokens of another org or user. */
  readonly acceptIdentity: {
    readonly path: { readonly name: string }
    readonly body: {
      readonly accept: true
    }
    readonly answer: AcceptedIdentity
  }
  /** Accepts the new id of an org for every integration that is pinned to it. */
  readonly acceptIdentities: {
    readonly body: {
      readonly from_org_id: string
      readonly to_org_id: string
    }
    readonly answer: AcceptedIdentityList
  }
}
