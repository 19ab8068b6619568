import type { TSchema } from 'typebox'
import type { Secret } from '../crypto/secret.ts'
import type { Signing } from '../signers/signers.ts'
import type { SigningKey } from './assertion.ts'
import type { Introspection, TokenAnswer } from './token-endpoint/token-answer.ts'
import type { TokenEndpoint } from './token-endpoint/token-endpoint.ts'

/** A decrypted credential. Only `tokens/mint/mint.ts` and the doctor hold one. */
export type OpenCredential =
  | { readonly type: 'certificate'; readonly privateKey: SigningKey }
  | { readonly type: 'client_secret'; readonly clientSecret: Secret }
  | {
      readonly type: 'refresh_token'
      /** The current refresh token, added by its custody. */
      readonly refreshToken?: Secret
      /** Proves the client if the app requires it. */
      readonly clientSecret?: Secret
      readonly privateKey?: SigningKey
    }
  | { readonly type: 'none' }

export type CredentialType = Exclude<OpenCredential['type'], 'none'>

export interface GrantSettings {
  readonly type: string
  /** The consumer key. Without it the integration is a draft. */
  readonly clientId?: string
}

export interface GrantRequest<Settings extends GrantSettings = GrantSettings> {
  /** An origin, or (Experience Cloud) an origin with a path; no trailing slash. */
  readonly loginUrl: string
  readonly settings: Settings
  /** The consumer key of the credential, or else of the settings. */
  readonly clientId: string
  readonly credential: OpenCredential
  /** Aborts this one attempt. */
  readonly signal: AbortSignal
  /** Called with the new refresh token as soon as it is read, even if the rest of the answer is invalid: it is the only copy. */
  readonly onRenewed?: (refreshToken: Secret) => void
}

export interface SubjectToken {
  readonly accessToken: Secret
  readonly tokenId: string
  readonly instanceUrl: string
  readonly identityUrl?: string
  readonly orgId?: string
  readonly userId?: string
}

interface SubjectOptions {
  readonly rejected?: string
  /** The login URL of the request. Undefined: the instance of the token. */
  readonly at: string | undefined
  readonly signal: AbortSignal
}

export interface SubjectTokens {
  /**
   * A token of another integration. `rejected` asks for a different token than this one. Throws
   * what its mint throws, `token_still_live`, and `caller_forbidden` if the owner does not allow
   * the exchange.
   */
  of(integration: string, options: SubjectOptions): Promise<SubjectToken>
  /** Reads the token from a file on each call. Throws `credential_invalid`. */
  in(file: string): Promise<Secret>
}

export interface GrantContext {
  readonly endpoint: TokenEndpoint
  readonly subjectTokens: SubjectTokens
  readonly signers: Signing
  readonly now: () => number
  /** Generates a `jti`. */
  readonly uniqueId: () => string
}

/** One way to get a token. To add one, write its file and list it in `grants/index.ts`. */
export interface Grant<Settings extends GrantSettings = GrantSettings> {
  readonly type: Settings['type']
  /** The wire form of the `grant` member of an integration (snake_case, `additionalProperties: false`). */
  readonly schema: TSchema
  credentialType(settings: Settings): CredentialType | 'none'
  /** Whether the app may need no credential. Default: false. */
  readonly isCredentialOptional?: true
  /** Whether the grant has no app of Salesforce, and so no client id. Default: false. */
  readonly hasNoClient?: true
  /** Whether Salesforce issues these tokens only at the host of the org (My Domain or site), not at `login.` or `test.salesforce.com`. Default: false. */
  readonly needsMyDomain?: true
  /** Whether these settings send the credential itself (a client secret or a refresh token) to the host, not only a signature. */
  sendsCredential(settings: Settings): boolean
  /** Whom the tokens act as, according to the settings. Part of the digest of the lease. */
  subject(settings: Settings): string
  /** Whether the tokens are valid for the REST API of the org. Default: true. */
  opensRestApi?(settings: Settings): boolean
  /** Whether the subject is a username, which is unique in all of Salesforce and ignores case. Default: false. */
  readonly namesUser?: true
  sourceOf?(settings: Settings): string | undefined
  /** Whether the token is exchanged at its own instance instead of the login URL. Default: false. */
  readonly exchangesAtInstance?: true
  /** A file that is read on each request. Only the configuration file may name it, because a path from the API could be any file. */
  fileOf?(settings: Settings): string | undefined
  /**
   * Whether each request presents a refresh token, which Salesforce may then replace. The token is
   * in custody and is never sent twice. Default: false.
   */
  readonly presentsRefreshToken?: true
  /** Makes one attempt. Throws `grant_refused`, `token_response_invalid`, `salesforce_unavailable` or `salesforce_timeout`. */
  request(request: GrantRequest<Settings>, context: GrantContext): Promise<TokenAnswer>
  /** Introspects an access token, if the client can authenticate to the introspection endpoint. Throws as `request` does. */
  introspect?(
    request: GrantRequest<Settings>,
    accessToken: Secret,
    context: GrantContext,
  ): Promise<Introspection>
  /** Introspects the refresh token without using it. Throws as `request` does. */
  introspectRefreshToken?(
    request: GrantRequest<Settings>,
    context: GrantContext,
  ): Promise<Introspection>
}
