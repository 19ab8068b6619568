import type { TSchema } from 'typebox'
import type { Secret } from '../crypto/secret.ts'
import type { Introspection, TokenAnswer } from './token-endpoint/token-answer.ts'
import type { TokenEndpoint } from './token-endpoint/token-endpoint.ts'

/** What a grant proves itself with, opened. Only `tokens/mint.ts` and the doctor ever hold one. */
export type OpenCredential =
  | { readonly type: 'certificate'; readonly privateKey: Secret }
  | { readonly type: 'client_secret'; readonly clientSecret: Secret }
  | {
      readonly type: 'refresh_token'
      /** The one that is current; its custody adds it. */
      readonly refreshToken?: Secret
      /** What the client proves itself with, where its app asks for that. */
      readonly clientSecret?: Secret
      readonly privateKey?: Secret
    }
  /** There is none, and the grant needs none. */
  | { readonly type: 'none' }

export type CredentialType = Exclude<OpenCredential['type'], 'none'>

/** What every grant's settings have in common. */
export interface GrantSettings {
  readonly type: string
  /** The consumer key. Without it the integration is a draft. */
  readonly clientId?: string
}

export interface GrantRequest<Settings extends GrantSettings = GrantSettings> {
  /** An origin, or (Experience Cloud) an origin with a path; no trailing slash. */
  readonly loginUrl: string
  readonly settings: Settings
  /** The consumer key to use: the credential's own, or the settings'. */
  readonly clientId: string
  readonly credential: OpenCredential
  /** Of this one attempt. */
  readonly signal: AbortSignal
  /** Called with the credential's successor as soon as it is read, even where the rest of the answer is no good: it is the only copy. */
  readonly onRenewed?: (refreshToken: Secret) => void
}

/** A token that is exchanged for another. */
export interface SubjectToken {
  readonly accessToken: Secret
  readonly tokenId: string
  readonly instanceUrl: string
  readonly identityUrl?: string
  readonly orgId?: string
  readonly userId?: string
}

export interface SubjectOptions {
  readonly rejected?: string
  /** The login URL that it is sent to; undefined: the instance that it is of. */
  readonly at: string | undefined
  readonly signal: AbortSignal
}

/** Where grants that exchange a token get it from. */
export interface SubjectTokens {
  /** Of another integration; `rejected`: another than this one. Throws what its mint throws, `token_still_live`, and `caller_forbidden` where its owner lets no such exchange be made. */
  of(integration: string, options: SubjectOptions): Promise<SubjectToken>
  /** From a file, read anew each time. Throws `credential_invalid`. */
  in(file: string): Promise<Secret>
}

/** What a grant may use. */
export interface GrantContext {
  readonly endpoint: TokenEndpoint
  readonly subjectTokens: SubjectTokens
  readonly now: () => number
  /** A fresh unique id, for `jti`. */
  readonly uniqueId: () => string
}

/** One way to get a token. To add one, write its file and list it in `grants/index.ts`. */
export interface Grant<Settings extends GrantSettings = GrantSettings> {
  readonly type: Settings['type']
  /** The wire form of an integration's `grant` member (snake_case, `additionalProperties: false`). */
  readonly schema: TSchema
  /** Which kind of credential these settings need; `none`: they take none. */
  credentialType(settings: Settings): CredentialType | 'none'
  /** Whether the app may ask for no credential at all. Default false. */
  readonly isCredentialOptional?: true
  /** No app of Salesforce stands behind it, so there is no client id. Default false. */
  readonly hasNoClient?: true
  /** Whether Salesforce gives its tokens at the host of the org alone (My Domain, a site), and not at `login.` or `test.salesforce.com`. Default false. */
  readonly needsMyDomain?: true
  /** Whether these settings send the credential itself to the host (a client secret, a refresh token), and not only a signature. */
  sendsCredential(settings: Settings): boolean
  /** Whom the tokens act as, as far as the settings say: part of the lease's digest. */
  subject(settings: Settings): string
  /** Whether its tokens are for the REST API of the org. Default: they are. */
  opensRestApi?(settings: Settings): boolean
  /** Whether its subject is the name of a user, which is one and the same in all of Salesforce, in whatever case. Default false. */
  readonly namesUser?: true
  /** The integration whose token it exchanges. */
  sourceOf?(settings: Settings): string | undefined
  /** Whether that token goes to its own instance, and not to the login URL. Default false. */
  readonly exchangesAtInstance?: true
  /** A file that it reads at each request, which only the configuration file may name: through the API it could be any file. */
  fileOf?(settings: Settings): string | undefined
  /** Each request presents a refresh token, which may be used up by it: it is in custody, and nothing is ever sent twice. Default false. */
  readonly presentsRefreshToken?: true
  /** One token request, one attempt. Throws `BrokerError`: `grant_refused`, `token_response_invalid`, `salesforce_unavailable`, `salesforce_timeout`. */
  request(request: GrantRequest<Settings>, context: GrantContext): Promise<TokenAnswer>
  /** Asks about an access token, where the client can prove itself to the introspection endpoint. Throws as `request` does. */
  introspect?(
    request: GrantRequest<Settings>,
    accessToken: Secret,
    context: GrantContext,
  ): Promise<Introspection>
  /** Asks about the refresh token itself, without using it. Throws as `request` does. */
  introspectRefreshToken?(
    request: GrantRequest<Settings>,
    context: GrantContext,
  ): Promise<Introspection>
}
