/** The doctor: everything that can be found out in one run about why an integration gets no token, or a poor one. */
import { activeOf, type Credential } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import type { GrantContext, OpenCredential } from '../grants/grant.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import { brokenRule } from '../integrations/definition-rules.ts'
import { clientIdOf, needsCredential } from '../integrations/integration.ts'
import { waitFor } from '../runtime/timeout.ts'
import type { Lease } from '../tokens/serve/lease.ts'
import type { Signer } from '../tokens/serve/token-request.ts'
import { wayOf } from './audience.ts'
import {
  type CheckName,
  type DiagnosisCheck,
  failed,
  failedBy,
  isOk,
  passed,
  skipped,
} from './check.ts'
import { checkCertificate, checkKeyPair } from './credential-checks.ts'
import type { DiagnosisTarget } from './diagnosis-target.ts'
import { checkHost, type HostChecksDependencies } from './host-checks.ts'
import { createRecentHosts } from './recent-hosts.ts'
import { CHECK_MS, tooSlow } from './time-limit.ts'
import { checkToken } from './token-checks.ts'
import { checkOtherWays } from './way-check.ts'

export interface Report {
  readonly integration: string
  /** Every check passed, or ended with a warning. */
  readonly ok: boolean
  /** Token requests: each is a login of the user. */
  readonly loginsUsed: number
  readonly checks: readonly DiagnosisCheck[]
}

export interface Doctor {
  /** Within 20 seconds. Never throws for what is wrong with the patient. */
  examine(patient: DiagnosisTarget): Promise<Report>
}

export interface DoctorDependencies extends Omit<HostChecksDependencies, 'hosts'> {
  readonly hosts: HostRules
  readonly grants: GrantContext
  /** Milliseconds of a clock that never steps. */
  readonly monotonic: () => number
}

/** In one run. */
export const LOGINS_ALLOWED = 5

/** What only a token can show. */
const OF_TOKENS: readonly CheckName[] = ['identity', 'scopes', 'instance_url']

export function createDoctor(dependencies: DoctorDependencies): Doctor {
  const { grants, now, monotonic } = dependencies
  const recentHosts = createRecentHosts(monotonic)

  const judgeToken = async (
    { integration }: DiagnosisTarget,
    signer: Signer,
    lease: Lease,
  ): Promise<readonly DiagnosisCheck[]> => {
    const { loginUrl, grant } = integration
    const way = wayOf(loginUrl, grant)
    const { host } = new URL(loginUrl)
    return [
      ...(way ? [passed('audience', `${way.audience} is taken at ${host}.`)] : []),
      gotToken(),
      passed('identity', whoseToken(lease)),
      ...(await checkToken({ integration, signer, lease }, grants)),
    ]
  }

  const judgeRefusal = async (
    { integration }: DiagnosisTarget,
    signer: Signer,
    error: unknown,
    charge: () => Promise<void>,
  ): Promise<readonly DiagnosisCheck[]> => {
    if (error instanceof BrokerError && error.code === 'identity_changed') {
      return [gotToken(), otherIdentity(error), ...withoutToken('identity')]
    }
    const ways = await checkOtherWays(integration, signer, error, charge, dependencies)
    return [...ways, failedBy('mint', error), ...withoutToken('mint')]
  }

  const ask = async (
    patient: DiagnosisTarget,
    signer: Signer,
    charge: () => Promise<void>,
  ): Promise<readonly DiagnosisCheck[]> => {
    let lease: Lease
    try {
      // Its token serves others, too.
      lease = await waitFor(patient.mint(charge), { ms: CHECK_MS, late: tooSlow })
    } catch (error) {
      return judgeRefusal(patient, signer, error, charge)
    }
    return judgeToken(patient, signer, lease)
  }

  return {
    async examine(patient) {
      let loginsUsed = 0
      const charge = async () => {
        if (loginsUsed >= LOGINS_ALLOWED) throw tooManyLogins()
        loginsUsed += 1
        await patient.charge().catch((error: unknown) => {
          loginsUsed -= 1
          throw error
        })
      }
      const active = activeOf(patient.credentials)
      const held = await openActive(patient, active)
      const definition = patient.complaint ?? checkDefinition(patient, active, held)
      const ofCredential = active ? credentialChecks(active, held, now()) : []
      const { name, loginUrl } = patient.integration
      const look = () => checkHost(loginUrl, dependencies)
      const { checks: ofHost, isReachable } = await recentHosts.findings(loginUrl, look)
      const signer = isOk(definition) ? signerOf(patient, active, held) : undefined
      const inTheWay = signer ? blocking(ofHost, isReachable) : definition.check
      const skip = () => [skipped('mint', inTheWay ?? definition.check), ...withoutToken('mint')]
      const instead = patient.untried && isOk(definition) ? [patient.untried] : undefined
      const ofToken = instead ?? (signer && !inTheWay ? await ask(patient, signer, charge) : skip())
      const checks = [definition, ...ofCredential, ...ofHost, ...ofToken].map((check) =>
        withName(check, name),
      )
      return { integration: name, ok: checks.every(isOk), loginsUsed, checks }
    },
  }
}

/** So that a path can be copied. */
const withName = (check: DiagnosisCheck, name: string): DiagnosisCheck => ({
  ...check,
  remedy: check.remedy?.replaceAll('{name}', name) ?? null,
})

/** Or why it does not open. */
async function openActive(
  { open, integration }: DiagnosisTarget,
  active: Credential | undefined,
): Promise<OpenCredential | BrokerError | undefined> {
  if (!active) return needsCredential(integration) ? undefined : { type: 'none' }
  try {
    return await open(active)
  } catch (error) {
    if (error instanceof BrokerError) return error
    throw error
  }
}

function signerOf(
  { integration }: DiagnosisTarget,
  active: Credential | undefined,
  held: OpenCredential | BrokerError | undefined,
): Signer | undefined {
  const clientId = clientIdOf(integration, active)
  if (clientId === undefined || !held || held instanceof BrokerError) return undefined
  return { clientId, credential: held }
}

function checkDefinition(
  { integration, untried }: DiagnosisTarget,
  active: Credential | undefined,
  held: OpenCredential | BrokerError | undefined,
): DiagnosisCheck {
  const { credentialFrom, grant } = integration
  const isWithout = credentialFrom === null && !needsCredential(integration)
  const next = 'GET /integrations/{name}/setup says how.'
  if (!integration.enabled) {
    return failed('definition', 'It is disabled.', 'Set enabled to true, if it is wanted.')
  }
  if (!active && !isWithout && !untried) {
    return credentialFrom === null
      ? failed('definition', 'It is a draft: it has no credential yet.', `Give it one. ${next}`)
      : failed(
          'definition',
          'It signs with the credentials of another integration, which has none.',
          'Give that one a credential (credential.from names it), or this one its own.',
        )
  }
  if (clientIdOf({ grant }, active) === undefined) {
    return failed(
      'definition',
      'It is a draft: it has no client_id yet.',
      `Make the app in Salesforce, and set grant.client_id to its consumer key. ${next}`,
    )
  }
  if (held instanceof BrokerError) return failedBy('definition', held)
  const broken = brokenRule(integration)
  if (broken) return failedBy('definition', broken)
  return passed('definition', 'It is enabled, and has all that it needs.')
}

function credentialChecks(
  active: Credential,
  held: OpenCredential | BrokerError | undefined,
  now: number,
): readonly DiagnosisCheck[] {
  const key = held && 'type' in held && held.type === 'certificate' ? held : undefined
  const certificate = checkCertificate(active, now)
  return [...(key ? [checkKeyPair(active, key, now)] : []), ...(certificate ? [certificate] : [])]
}

const blocking = (
  ofHost: readonly DiagnosisCheck[],
  isReachable: boolean,
): CheckName | undefined => (isReachable ? undefined : ofHost.find((check) => !isOk(check))?.check)

const withoutToken = (first: CheckName): readonly DiagnosisCheck[] =>
  OF_TOKENS.filter((name) => name !== first).map((name) => skipped(name, first))

const gotToken = () => passed('mint', 'Salesforce gives a token.')

function whoseToken({ orgId, userId }: Lease): string {
  if (orgId === undefined || userId === undefined)
    return 'Salesforce does not say whose token it is.'
  return `The token is of the user ${userId} in the org ${orgId}.`
}

/** What is wanted stands in the error, in wire form. */
function otherIdentity({ members }: BrokerError): DiagnosisCheck {
  const { seen, expected } = members.identity as Readonly<
    Record<'seen' | 'expected', { readonly org_id: string | null; readonly user_id: string | null }>
  >
  const textOf = ({ org_id, user_id }: typeof seen) =>
    `the user ${user_id ?? '(any)'} in the org ${org_id ?? '(any)'}`
  return failed(
    'identity',
    `The token is of ${textOf(seen)}, and should be of ${textOf(expected)}: it is kept back.`,
    'Find out who changed login_url, the username, or the run-as user of the app, and put it back. If it is meant: POST /integrations/{name}/identity {"accept": true}; where identity.expect says otherwise, change that.',
  )
}

const tooManyLogins = () =>
  new BrokerError('login_budget_exhausted', `A run makes at most ${LOGINS_ALLOWED} logins.`)
