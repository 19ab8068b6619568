/** What probes ask of an org, in the order of the report. */

/** Each question is answered by yes or no. */
export const PROBES = {
  token_nonce: 'Does the token endpoint refuse a proof without its nonce?',
  binds: 'Does the grant bind the token to the key of the proof?',
  other_key: 'Does a request with another key get the same token?',
  without_proof: 'Does a request without a proof get a token?',
  same_key: 'Does a second request with the same key get the same token?',
  rs256: 'Is a token request with a proof by RS256 accepted?',
  eddsa: 'Is a token request with a proof by EdDSA (Ed25519) accepted?',
  works: 'Does the REST API accept the token with its proof?',
  resource_nonce: 'Does the REST API refuse a proof without a nonce?',
  as_bearer: 'Does the REST API accept the bound token as a bearer token?',
  htu_slash: 'Is a proof accepted whose htu lacks the slash at the end?',
  htu_port: 'Is a proof accepted whose htu has the port :443?',
  htu_query: 'Is a proof accepted whose htu has the query?',
  htu_case: 'Is a proof accepted whose htu has the host in capitals?',
  iat_minus_295: 'Is a proof accepted that is 295 seconds old?',
  iat_minus_55: 'Is a proof accepted that is 55 seconds old?',
  iat_minus_25: 'Is a proof accepted that is 25 seconds old?',
  iat_plus_25: 'Is a proof accepted whose iat is 25 seconds in the future?',
  iat_plus_55: 'Is a proof accepted whose iat is 55 seconds in the future?',
  iat_plus_295: 'Is a proof accepted whose iat is 295 seconds in the future?',
  replay: 'Is the same proof accepted twice?',
  userinfo: 'Does userinfo accept the token with its proof?',
  introspection: 'Does introspection name the key (cnf.jkt)?',
  soap: 'Does the SOAP API accept the token with DpopProofHeader?',
  bulk: 'Does the Bulk API list jobs for the token with its proof?',
  cometd: 'Does the Streaming API (CometD) accept the token with its proof?',
  revoke_without_proof: 'Does a revocation without a proof end a bound token?',
  nonce_age: 'Does the token endpoint still accept the nonce of the run before?',
  bulk_upload: 'Does the Bulk API accept an upload with a proof?',
  pub_sub: 'Does the Pub/Sub API accept the token with its proof?',
  data_cloud: 'Is a bound token exchanged for one of Data Cloud?',
} as const

export type ProbeName = keyof typeof PROBES

/** `unclear`: an answer of another kind, or none. `not_run`: the detail says why. */
export const PROBE_RESULTS = ['yes', 'no', 'unclear', 'not_run'] as const

export type ProbeFindingResult = (typeof PROBE_RESULTS)[number]

export interface ProbeFinding {
  readonly result: ProbeFindingResult
  /** What was answered, or why nothing was asked. Of Salesforce's words, it has names of errors alone. */
  readonly detail: string
}

/** `required`: the app refuses requests without a proof. `allowed`: a proof binds, and bearer tokens are given too. `unknown`: the grant binds nothing, or the answers do not tell. */
export const POSTURES = ['allowed', 'required', 'unknown'] as const

export type Posture = (typeof POSTURES)[number]

/** What one run cannot find out, and why. */
export const NEVER_RUN: Partial<Readonly<Record<ProbeName, string>>> = {
  bulk_upload: 'an upload needs a job, which is a record of the org, and a probe makes none',
  pub_sub: 'it needs a client of gRPC, which this service has not',
  data_cloud: 'it needs the exchange of an integration that this one is the source of',
}

export const finding = (result: ProbeFindingResult, detail: string): ProbeFinding => ({
  result,
  detail,
})

export const notRun = (why: string): ProbeFinding => finding('not_run', why)
