/** One check of the doctor: what is looked at, and how it ended. */
import { BrokerError } from '../errors/errors.ts'
import { type Refusal, refusalOf, remedyIn } from '../grants/refusals/refusals.ts'
import {
  type RestRefusal,
  type RestWords,
  refusalWordsOf,
} from '../grants/refusals/rest-refusal.ts'
import { type REMEDIES, remedyAt } from './remedies.ts'

/** Everything that is looked at, in this order. A check that does not concern an integration is left out of its report. */
export const CHECKS = {
  definition: 'It is enabled, and has a client id and a credential',
  key_pair: 'The private key belongs to the certificate',
  certificate: 'The certificate is not near its end',
  login_host: 'The host of `login_url` resolves and answers',
  tls: 'Its TLS certificate is trusted',
  clock: 'Its clock and ours agree, by the `Date` of its answer',
  audience: 'Salesforce takes the audience at this host; else the pair that works is named',
  mint: 'Salesforce gives a token',
  identity: 'The token is of the org and user that it should be of',
  scopes: 'The token has the scopes that are needed',
  scope_full: 'A warning, where the token may do all that its user may',
  instance_url: 'A REST call to `instance_url` with the token works',
  permissions: 'Its user has what the integration needs, and nothing mighty beside',
  introspection: 'The token can be introspected, where the grant can',
} as const

export type CheckName = keyof typeof CHECKS

/** `skipped`: another check has to pass first. */
export const CHECK_OUTCOMES = ['passed', 'warning', 'failed', 'skipped'] as const

export type CheckOutcome = (typeof CHECK_OUTCOMES)[number]

export interface DiagnosisCheck {
  readonly check: CheckName
  readonly outcome: CheckOutcome
  readonly detail: string
  /** Null where there is nothing to do. */
  readonly remedy: string | null
  /** What Salesforce said, where it said no. */
  readonly refusal?: Refusal
  /** What the REST API said, where it said no. */
  readonly salesforce?: RestWords
  /** Of `audience`: where a token came from. */
  readonly works?: Way
}

/** A place to ask, and whom to name there. */
export interface Way {
  readonly loginUrl: string
  readonly audience: string
}

/** Good enough: a warning is for a quiet hour. */
export const isOk = ({ outcome }: DiagnosisCheck): boolean =>
  outcome === 'passed' || outcome === 'warning'

export const passed = (check: CheckName, detail: string): DiagnosisCheck => ({
  check,
  outcome: 'passed',
  detail,
  remedy: null,
})

export const warned = (check: CheckName, detail: string, remedy: string): DiagnosisCheck => ({
  check,
  outcome: 'warning',
  detail,
  remedy,
})

export const failed = (check: CheckName, detail: string, remedy: string): DiagnosisCheck => ({
  check,
  outcome: 'failed',
  detail,
  remedy,
})

export const skipped = (check: CheckName, first: CheckName): DiagnosisCheck => ({
  check,
  outcome: 'skipped',
  detail: `Not looked at: \`${first}\` has to pass first.`,
  remedy: `Mend \`${first}\`.`,
})

/** A failure that is a problem already. What is none is a bug, and thrown. */
export function failedBy(check: keyof typeof REMEDIES, error: unknown): DiagnosisCheck {
  if (!(error instanceof BrokerError)) throw error
  const refusal = refusalOf(error)
  if (!refusal) return failed(check, sentence(error.detail), remedyAt(check, error))
  const { error: code, errorDescription, cause } = refusal
  const words = [code, errorDescription ?? []].flat().join(': ')
  return {
    ...failed(check, `${cause} Salesforce says "${words}".`, remedyIn(refusal)),
    refusal,
  }
}

/** A REST call that was refused. */
export function failedAtRest(check: CheckName, host: string, refusal: RestRefusal): DiagnosisCheck {
  const { cause, said } = refusal
  return {
    ...failed(check, `${cause} ${host} says: ${refusalWordsOf(said)}.`, remedyIn(refusal)),
    salesforce: said,
  }
}

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`)
