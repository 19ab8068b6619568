/** One row of the table of clients: a real client, how it is set, and what it does. */

/** What goes wrong at the login. */
export const CAUSES = {
  wrong_key: 'the key is wrong',
  wrong_name: 'the integration does not exist',
  forbidden: 'the key may not read the integration',
  other_grant: 'the grant is another one',
  rate: 'the integration has no logins left',
  secret_in_url: 'the client writes the key into the URL',
  version: 'the URL has no version of the API',
  operation: 'an API call goes to the login URL',
  body: 'the body is JSON',
} as const

export type Cause = keyof typeof CAUSES

/** Causes that need a program of their own, since the settings of the example cannot have them. */
export const PROGRAM_CAUSES = ['other_grant', 'version', 'operation', 'body'] as const

type ProgramCause = (typeof PROGRAM_CAUSES)[number]

export type ToolchainName =
  | 'node'
  | 'python'
  | 'go'
  | 'nimbus'
  | 'spring'
  | 'camel'
  | 'wsc'
  | 'rust'
  | 'sf'

export interface ClientRow {
  /** As its makers write it. Rows of one client stand together. */
  readonly name: string
  /** The package, as its registry names it. */
  readonly package: string
  readonly version: string
  /** As a person calls it. */
  readonly grant: string
  /** In `examples/clients`. */
  readonly example: string
  /** What a person sets, and to what. */
  readonly settings: readonly (readonly [setting: string, value: string])[]
  readonly toolchain: ToolchainName
  /** `ci`: each run of the tests. `compat`: `npm run compat`. */
  readonly tried: 'ci' | 'compat'
  readonly session: SessionEnd
  /** Whether Salesforce gets to see the key. */
  readonly sendsKeyToInstance: boolean
  /** Whether it revokes the access token, which others hold too. */
  readonly revokesToken: boolean
  /** A part of what it prints at each cause, in one line. Absent: it cannot be had. */
  readonly prints: Partial<Readonly<Record<Cause, string>>>
  /** The programs for causes that the example cannot have, in `test/clients/other-programs`. */
  readonly programs?: Partial<Readonly<Record<ProgramCause, string>>>
  /** What to beware of: sentences. */
  readonly beware: readonly string[]
}

/** What the next call does after Salesforce ended the session. */
export type SessionEnd =
  /** It succeeds with a new token. `by`: who asks for it. */
  | { readonly next: 'succeeds'; readonly by: 'client' | 'program' }
  /** The program ends, and prints this. */
  | { readonly next: 'fails'; readonly prints: string }
  /** There is none: the client is refused at its login. */
  | { readonly next: 'none' }
