/** Runs all checks that show why an integration gets no token, or one with defects. */
import { activeOf, type Credential } from '../credentials/credential.ts'
import { trialKeyFor } from '../dpop/dpop-key.ts'
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
import { checkCertificate, checkKeyPair, checkSecret } from './credential-checks.ts'
import type { DiagnosisTarget } from './diagnosis-target.ts'
import { checkHost, type HostChecksDependencies } from './host-checks.ts'
import { checkPosture } from './posture-check.ts'
import { createRecentHosts } from './recent-hosts.ts'
import { CHECK_MS, tooSlow } from './time-limit.ts'
import { checkToken } from './token-checks.ts'
import { checkOtherWays } from './way-check.ts'

export interface Report {
  readonly integration: string
  readonly ok: boolean
  /** Token requests; each is a login of the user. */
  readonly loginsUsed: number
  readonly checks: readonly DiagnosisCheck[]
}

export type Doctor = ReturnType<typeof createDoctor>

interface DoctorDependencies extends Omit<HostChecksDependencies, 'hosts'> {
  readonly hosts: HostRules
  readonly grants: GrantContext
  readonly monotonic: () => number
}

export const LOGINS_ALLOWED = 5

const OF_TOKENS: readonly CheckName[] = ['identity', 'scopes', 'instance_url']

export function createDoctor(dependencies: DoctorDependencies) {
  const { grants, now, monotonic } = dependencies
  const recentHosts = createRecentHosts(monotonic)

  const judgeToken = async (
    { integration }: DiagnosisTarget,
    signer: Signer,
    lease: Lease,
    charge: () => Promise<void>,
  ): Promise<readonly DiagnosisCheck[]> => {
    const { loginUrl, grant } = integration
    const way = wayOf(loginUrl, grant)
    const { host } = new URL(loginUrl)
    const held = { integration, signer, lease }
    const [ofToken, posture] = await Promise.all([
      checkToken(held, grants),
      checkPosture(held, charge, grants),
    ])
    return [
      ...(way ? [passed('audience', `${way.audience} is accepted at ${host}.`)] : []),
      gotToken(),
      passed('identity', whoseToken(lease)),
      ...ofToken,
      ...posture,
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
    target: DiagnosisTarget,
    signer: Signer,
    charge: () => Promise<void>,
  ): Promise<readonly DiagnosisCheck[]> => {
    let lease: Lease
    try {
      // Other callers also use its token.
      lease = await waitFor(target.mint(charge), { ms: CHECK_MS, late: tooSlow })
    } catch (error) {
      return judgeRefusal(target, signer, error, charge)
    }
    return judgeToken(target, signer, lease, charge)
  }

  return {
    /** Takes at most 20 seconds. Never throws for failures of the target. */
    async examine(target: DiagnosisTarget): Promise<Report> {
      let loginsUsed = 0
      const charge = async () => {
        if (loginsUsed >= LOGINS_ALLOWED) throw tooManyLogins()
        loginsUsed += 1
        await target.charge().catch((error: unknown) => {
          loginsUsed -= 1
          throw error
        })
      }
      const active = activeOf(target.credentials)
      const held = await openActive(target, active)
      const definition = target.knownFailure ?? checkDefinition(target, active, held)
      const ofCredential = active
        ? [...secretChecks(target, active, held), ...credentialChecks(active, held, now())]
        : []
      const { name, loginUrl } = target.integration
      const look = () => checkHost(loginUrl, dependencies)
      const { checks: ofHost, isReachable } = await recentHosts.findings(loginUrl, look)
      const signer = isOk(definition) ? await signerOf(target, active, held) : undefined
      const inTheWay = signer ? blocking(ofHost, isReachable) : definition.check
      const skip = () => [skipped('mint', inTheWay ?? definition.check), ...withoutToken('mint')]
      const instead = target.tokenWarning && isOk(definition) ? [target.tokenWarning] : undefined
      const ofToken = instead ?? (signer && !inTheWay ? await ask(target, signer, charge) : skip())
      const checks = [definition, ...ofCredential, ...ofHost, ...ofToken].map((check) =>
        withName(check, name),
      )
      return { integration: name, ok: checks.every(isOk), loginsUsed, checks }
    },
  }
}

const withName = (check: DiagnosisCheck, name: string): DiagnosisCheck => ({
  ...check,
  remedy: check.remedy?.replaceAll('{name}', name) ?? null,
})

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

async function signerOf(
  { integration, proofKey }: DiagnosisTarget,
  active: Credential | undefined,
  held: OpenCredential | BrokerError | undefined,
): Promise<Signer | undefined> {
  const clientId = clientIdOf(integration, active)
  if (clientId === undefined || !held || held instanceof BrokerError) return undefined
  return { clientId, credential: held, ...trialKeyFor(integration, await proofKey?.()) }
}

function checkDefinition(
  { integration, tokenWarning }: DiagnosisTarget,
  active: Credential | undefined,
  held: OpenCredential | BrokerError | undefined,
): DiagnosisCheck {
  const { credentialFrom, grant } = integration
  const isWithout = credentialFrom === null && !needsCredential(integration)
  const next = 'See GET /integrations/{name}/setup.'
  if (!integration.enabled) {
    return failed(
      'definition',
      'It is disabled.',
      'Set enabled to true, if the integration is needed.',
    )
  }
  if (!active && !isWithout && !tokenWarning) {
    return credentialFrom === null
      ? failed(
          'definition',
          'It is a draft: it has no credential yet.',
          `Add a credential. ${next}`,
        )
      : failed(
          'definition',
          'It signs with the credentials of another integration, which has none.',
          'Add a credential to that integration (credential.from names it), or to this one.',
        )
  }
  if (clientIdOf({ grant }, active) === undefined) {
    return failed(
      'definition',
      'It is a draft: it has no client_id yet.',
      `Create the app in Salesforce, and set grant.client_id to its consumer key. ${next}`,
    )
  }
  if (held instanceof BrokerError) return failedBy('definition', held)
  const broken = brokenRule(integration)
  if (broken) return failedBy('definition', broken)
  return passed('definition', 'It is enabled and complete.')
}

function secretChecks(
  { secretTrouble }: DiagnosisTarget,
  active: Credential,
  held: OpenCredential | BrokerError | undefined,
): readonly DiagnosisCheck[] {
  const isHeld = !(held instanceof BrokerError)
  const check = isHeld ? checkSecret(active, secretTrouble) : undefined
  return check ? [check] : []
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

const gotToken = () => passed('mint', 'Salesforce issued a token.')

function whoseToken({ orgId, userId }: Lease): string {
  if (orgId === undefined || userId === undefined)
    return 'Salesforce does not state the user of the token.'
  return `The token belongs to the user ${userId} in the org ${orgId}.`
}

/** The error contains the expected identity in wire form. */
function otherIdentity({ members }: BrokerError): DiagnosisCheck {
  const { seen, expected } = members.identity as Readonly<
    Record<'seen' | 'expected', { readonly org_id: string | null; readonly user_id: string | null }>
  >
  const textOf = ({ org_id, user_id }: typeof seen) =>
    `the user ${user_id ?? '(any)'} in the org ${org_id ?? '(any)'}`
  return failed(
    'identity',
    `The token belongs to ${textOf(seen)}, but ${textOf(expected)} is expected. It is not handed out.`,
    'Find out who changed login_url, the username, or the run-as user of the app, and restore it. If the change is intended: POST /integrations/{name}/identity {"accept": true}; if identity.expect differs, change that.',
  )
}

const tooManyLogins = () =>
  new BrokerError('login_budget_exhausted', `A run makes at most ${LOGINS_ALLOWED} logins.`)
