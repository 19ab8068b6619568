// Made by `npm run generate` from openapi.yaml.

import type {
  ClientSecret,
  CredentialOfAnotherIntegration,
  DeploymentRule,
  DeploymentRuleByItsFormerName,
  IdentityRule,
  ImportedKey,
  ImportedKeyAndRefreshToken,
  ImportedKeystore,
  ImportedKeystoreAndRefreshToken,
  KeyAtASigner,
  KeyAtASignerAndRefreshToken,
  KeyAtASignerCertifiedHere,
  KeyMadeHere,
  Labels,
  RefreshTokenOfAnApp,
  TokenExchange,
} from './forms.ts'

/** Experimental: no Salesforce org has confirmed it. Tokens that work only with a proof for each request (RFC 9449). Needs the My Domain of the org. */
export interface DPoPRule {
  /** `on`: token requests have a DPoP proof, so that Salesforce binds the token to the key of `key_storage`. */
  readonly mode?: 'off' | 'on'
  /** Where the key is. At a signer, each proof costs a signature there. */
  readonly key_storage?: 'broker' | ProofKeyStorage
}

/** A P-256 key that stays in Vault, OpenBao, AWS KMS or an HSM, which signs with it. */
export interface ProofKeyReference {
  /** Name of a signer in the file of `VALETKEY_SIGNERS`. */
  readonly name: string
  /** Its name or id at the signer. */
  readonly key: string
  /** Default: the one that the integration has, or else the newest one. It stays the same when the key is rotated at the signer. */
  readonly key_version?: number
}

/** One key for the integration, which its credentials and connections share. */
export interface ProofKeyStorage {
  readonly signer: ProofKeyReference
}

/** What every definition of an integration may have. */
interface DefinitionMembers {
  readonly description?: string
  readonly enabled?: boolean
  readonly labels?: Labels
  /** Seconds. The org's session timeout, which is used if Salesforce does not state the lifetime of a token. */
  readonly token_lifetime?: number
  /** Whether the token is refreshed ahead even if nobody reads it. */
  readonly keep_warm?: boolean
  readonly logins_per_hour?: number
  /** Days after which Salesforce ends an idle refresh token, by the app's policy. The token is used before that. */
  readonly refresh_token_idle_days?: number
  /** False keeps the token inside the broker: it is neither served nor exchanged. An integration that signs with the same credential as the same user does not serve it either. */
  readonly serve_tokens?: boolean
  /** Whether what is unusual makes events: a caller that is new, comes from a new network or reads far more than before, and a token with other scopes or of another host of the org. */
  readonly watch?: boolean
  /** Login URLs, besides its own `login_url`, where other integrations may exchange its token. */
  readonly exchange_login_urls?: readonly string[]
  readonly identity?: IdentityRule
  readonly dpop?: DPoPRule
}

export interface AssetTokenDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'token_exchange'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    /** How the app proves itself: its secret in the Authorization header or in the body, or an assertion signed with its key. */
    readonly client_auth?: 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt'
    readonly subject_token: {
      readonly integration: string
    }
    /** Default `…:access_token` of an integration, `…:jwt` of a file. */
    readonly subject_token_type?: Required<TokenExchange>['subject_token_type']
    /** Developer name of the Apex token handler. Default: that of the app. */
    readonly token_handler?: string
    /** Requests an asset token. The integration's key signs the device's data, and the token contains the key (`cnf`). */
    readonly asset: Required<TokenExchange>['asset']
  }
  readonly credential?:
    | KeyMadeHere
    | ImportedKey
    | ImportedKeystore
    | KeyAtASigner
    | KeyAtASignerCertifiedHere
    | CredentialOfAnotherIntegration
  readonly deployment?: DeploymentRule
  readonly certificate_deployment?: DeploymentRuleByItsFormerName
}

export interface ClientCredentialsDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'client_credentials'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    readonly client_auth?: 'client_secret_basic' | 'client_secret_post'
  }
  readonly credential?: ClientSecret | CredentialOfAnotherIntegration
  readonly deployment?: DeploymentRule
  readonly certificate_deployment?: DeploymentRuleByItsFormerName
}

export interface DataCloudDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'data_cloud'
    /** The integration whose token is exchanged. You need `tokens:read` on it. */
    readonly integration: string
    /** Name of the data space. Default: that of the org. */
    readonly dataspace?: string
  }
}

export interface JWTBearerDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'jwt_bearer'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    /** Username (not email address, not id) of the Salesforce user to act as. */
    readonly username: string
    /** Audience of the assertion. Default `https://test.salesforce.com` where `login_url` is a sandbox, a scratch org or `test.`, else `https://login.salesforce.com`. Required on a custom domain and in China (`*.my.sfcrmproducts.cn`), where the host does not determine it. */
    readonly audience?: string
  }
  readonly credential?:
    | KeyMadeHere
    | ImportedKey
    | ImportedKeystore
    | KeyAtASigner
    | KeyAtASignerCertifiedHere
    | CredentialOfAnotherIntegration
}

export interface JWTBearerDefinitionThatIsDeployed extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'jwt_bearer'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    /** Username (not email address, not id) of the Salesforce user to act as. */
    readonly username: string
    /** Audience of the assertion. Default `https://test.salesforce.com` where `login_url` is a sandbox, a scratch org or `test.`, else `https://login.salesforce.com`. Required on a custom domain and in China (`*.my.sfcrmproducts.cn`), where the host does not determine it. */
    readonly audience?: string
  }
  readonly credential?:
    | KeyMadeHere
    | ImportedKey
    | ImportedKeystore
    | KeyAtASigner
    | KeyAtASignerCertifiedHere
    | CredentialOfAnotherIntegration
  readonly deployment: DeploymentRule
  readonly certificate_deployment?: DeploymentRuleByItsFormerName
}

export interface RefreshTokenDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'refresh_token'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    readonly client_auth?: 'client_secret_basic' | 'client_secret_post'
  }
  readonly credential?: ClientSecret | RefreshTokenOfAnApp | CredentialOfAnotherIntegration
}

export interface SignedClientCredentialsDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'client_credentials'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    readonly client_auth: 'private_key_jwt'
  }
  readonly credential?:
    | KeyMadeHere
    | ImportedKey
    | ImportedKeystore
    | KeyAtASigner
    | KeyAtASignerCertifiedHere
    | CredentialOfAnotherIntegration
  readonly deployment?: DeploymentRule
  readonly certificate_deployment?: DeploymentRuleByItsFormerName
}

export interface SignedRefreshTokenDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'refresh_token'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    readonly client_auth: 'private_key_jwt'
  }
  readonly credential?:
    | KeyMadeHere
    | ImportedKey
    | ImportedKeystore
    | KeyAtASigner
    | KeyAtASignerCertifiedHere
    | ImportedKeyAndRefreshToken
    | ImportedKeystoreAndRefreshToken
    | KeyAtASignerAndRefreshToken
    | CredentialOfAnotherIntegration
  readonly deployment?: DeploymentRule
  readonly certificate_deployment?: DeploymentRuleByItsFormerName
}

export interface SignedTokenExchangeDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'token_exchange'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    readonly client_auth: 'private_key_jwt'
    readonly subject_token: {
      readonly integration: string
    }
    /** Default `…:access_token` of an integration, `…:jwt` of a file. */
    readonly subject_token_type?: Required<TokenExchange>['subject_token_type']
    /** Developer name of the Apex token handler. Default: that of the app. */
    readonly token_handler?: string
    /** Requests an asset token. The integration's key signs the device's data, and the token contains the key (`cnf`). */
    readonly asset?: Required<TokenExchange>['asset']
  }
  readonly credential?:
    | KeyMadeHere
    | ImportedKey
    | ImportedKeystore
    | KeyAtASigner
    | KeyAtASignerCertifiedHere
    | CredentialOfAnotherIntegration
  readonly deployment?: DeploymentRule
  readonly certificate_deployment?: DeploymentRuleByItsFormerName
}

export interface TokenExchangeDefinition extends DefinitionMembers {
  /** An https URL on a Salesforce host. Only `*.my.site.com` may have a path. */
  readonly login_url: string
  readonly grant: {
    readonly type: 'token_exchange'
    /** Consumer key of the app. Without it the integration is a draft. */
    readonly client_id?: string
    readonly client_auth?: 'client_secret_basic' | 'client_secret_post'
    readonly subject_token: {
      readonly integration: string
    }
    /** Default `…:access_token` of an integration, `…:jwt` of a file. */
    readonly subject_token_type?: Required<TokenExchange>['subject_token_type']
    /** Developer name of the Apex token handler. Default: that of the app. */
    readonly token_handler?: string
  }
  readonly credential?: ClientSecret | CredentialOfAnotherIntegration
  readonly deployment?: DeploymentRule
  readonly certificate_deployment?: DeploymentRuleByItsFormerName
}
