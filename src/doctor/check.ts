/** One check of the doctor and its result. */
import { BrokerError } from '../errors/errors.ts'
import { type Refusal, refusalOf, remedyIn, withoutSource } from '../grants/refusals/refusals.ts'
import {
  type RestRefusal,
  type RestWords,
  refusalWordsOf,
} from '../grants/refusals/rest-refusal.ts'
import { type REMEDIES, remedyAt } from './remedies.ts'

/** All checks in order. A report omits checks that do not apply to the integration. */
export const CHECKS = {
  definition: 'It is enabled, and has a client id and a credential',
  secret: 'A secret that is in a vault can be read from there',
  key_pair: 'The private key belongs to the certificate',
  certificate: 'The certificate does not expire soon',
  login_host: 'The host of `login_url` resolves and answers',
  tls: 'Its TLS certificate is trusted',
  clock: 'Its clock and ours agree, according to `Date` in its answer',
  audience:
    'Salesforce accepts the audience at this host; otherwise the detail names a pair that works',
  mint: 'Salesforce issues a token',
  identity: 'The token belongs to the expected org and user',
  scopes: 'The token has the scopes that are needed',
  scope_full: 'A warning if the token has all permissions of its user',
  instance_url: 'A REST call to `instance_url` with the token works',
  permissions:
    'Its user has the permissions that the integration needs, and no powerful other ones',
  introspection: 'The token can be introspected, if the grant supports it',
  dpop: 'Experimental. If `dpop` is on: the token is bound, and the app requires DPoP',
} as const

export type CheckName = keyof typeof CHECKS

/** `skipped`: another check must pass first. */
export const CHECK_OUTCOMES = ['passed', 'warning', 'failed', 'skipped'] as const

export type CheckOutcome = (typeof CHECK_OUTCOMES)[number]

export interface DiagnosisCheck {
  readonly check: CheckName
  readonly outcome: CheckOutcome
  readonly detail: string
  readonly remedy: string | null
  readonly refusal?: Refusal
  readonly salesforce?: RestWords
  /** If the source of a token failed: its name, and the words for a reader who may not know it. */
  readonly atSource?: { readonly name: string; readonly detail: string; readonly remedy: string }
  /** For `audience`: the pair that works. */
  readonly works?: Way
}

export interface Way {
  readonly loginUrl: string
  readonly audience: string
}

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
  detail: `Skipped: \`${first}\` must pass first.`,
  remedy: `Mend \`${first}\`.`,
})

/** Converts a problem to a failed check. Rethrows other errors, which are bugs. */
export function failedBy(check: keyof typeof REMEDIES, error: unknown): DiagnosisCheck {
  if (!(error instanceof BrokerError)) throw error
  const refusal = refusalOf(error)
  if (!refusal) {
    const found = failed(check, sentence(error.detail), remedyAt(check, error))
    return { ...found, ...atSourceOf(check, error) }
  }
  const { error: code, errorDescription, cause } = refusal
  const words = [code, errorDescription ?? []].flat().join(': ')
  return {
    ...failed(check, `${cause} Salesforce says "${words}".`, remedyIn(refusal)),
    refusal,
  }
}

function atSourceOf(
  check: keyof typeof REMEDIES,
  error: BrokerError,
): Pick<DiagnosisCheck, 'atSource'> {
  const { source } = error.members
  if (typeof source !== 'string') return {}
  const told = withoutSource(error)
  const words = { detail: sentence(told.detail), remedy: remedyAt(check, told) }
  return { atSource: { name: source, ...words } }
}

export function failedAtRest(check: CheckName, host: string, refusal: RestRefusal): DiagnosisCheck {
  const { cause, said } = refusal
  return {
    ...failed(check, `${cause} ${host} says: ${refusalWordsOf(said)}.`, remedyIn(refusal)),
    salesforce: said,
  }
}

const sentence = (text: string) => (/[.!?]$/.test(text) ? text : `${text}.`)
