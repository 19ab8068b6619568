/** The phases of a client secret only: its pair is staged beside the main pair at Salesforce, and becomes the main pair after the former secret is erased here. Each step may run twice, because a crash repeats it. */

import { activeOf } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import type {
  BesidePair,
  ConsumerPlace,
  CredentialsApi,
} from '../grants/org-api/credentials-api.ts'
import type { OrgAnswer, OrgRefusal } from '../grants/org-api/org-api.ts'
import type { OrgCaller } from '../grants/org-api/org-request.ts'
import { clientIdOf, type Integration } from '../integrations/integration.ts'
import { byItself } from '../integrations/references/visible.ts'
import type { DeploymentSubject } from './deployment.ts'
import { type Deployment, deploymentFailed, FAILURES, moved, waiting } from './deployment.ts'
import type { Staging, StagingRequest } from './stage.ts'
import type { Through } from './through.ts'

export type Step = (
  deployment: Deployment,
  subject: DeploymentSubject,
  signal: AbortSignal,
) => Promise<Deployment>

export type SecretSteps = ReturnType<typeof createSecretSteps>

const CALL_MS = 15_000
/** Interval of checks for the erasure of the former secret. */
const QUIET_POLL_MS = 5_000
/** Pause after Salesforce refused to end the old pair. An operator must act first. */
const REFUSED_AGAIN_MS = 3_600_000
const ITSELF: StagingRequest = { authorise: byItself, preconditions: {} }

/** Ends a step with a refusal by Salesforce. */
class Refused extends Error {
  readonly refusal: OrgRefusal
  constructor(refusal: OrgRefusal) {
    super(refusal.reason)
    this.refusal = refusal
  }
}

export function createSecretSteps(dependencies: {
  readonly through: Through
  readonly api: CredentialsApi
  readonly staging: Pick<Staging, 'complete'>
  readonly now: () => number
}) {
  const { through, api, staging, now } = dependencies

  /** Throws `Refused`. */
  const asking =
    ({ target }: DeploymentSubject, signal: AbortSignal) =>
    async <Value>(call: (caller: OrgCaller) => Promise<OrgAnswer<Value>>): Promise<Value> => {
      const answer = await through(target.through, { timeoutMs: CALL_MS, signal }, call)
      if (!answer.ok) throw new Refused(answer)
      return answer.value
    }

  const step =
    (
      work: (at: {
        readonly deployment: Deployment
        readonly subject: DeploymentSubject
        readonly ask: ReturnType<typeof asking>
      }) => Promise<Deployment>,
      onRefused: (deployment: Deployment, refusal: OrgRefusal) => Deployment,
    ): Step =>
    async (deployment, subject, signal) => {
      try {
        return await work({ deployment, subject, ask: asking(subject, signal) })
      } catch (error) {
        if (error instanceof Refused) return onRefused(deployment, error.refusal)
        throw error
      }
    }

  const fails = (deployment: Deployment, { refused, reason }: OrgRefusal) =>
    deploymentFailed(deployment, `${refused}_refused`, reason, now())
  const ends = (deployment: Deployment, reason: keyof typeof FAILURES) =>
    deploymentFailed(deployment, reason, FAILURES[reason], now())
  const waits = (deployment: Deployment, { refused, reason }: OrgRefusal) =>
    waiting(deployment, { reason: `${refused}_refused`, detail: reason }, now() + REFUSED_AGAIN_MS)

  return {
    /** Finds the consumer of the app, and checks that no other pair is staged. */
    look: step(async ({ deployment, subject, ask }) => {
      const { integration, credential, target } = subject
      const inUse = clientIdOf(integration, activeOf(integration.credentials))
      const consumers = await ask((caller) => api.consumers(caller, target.app))
      const found = consumers.find(({ clientId }) => clientId === inUse)
      if (!found) return ends(deployment, 'app_differs')
      const place: ConsumerPlace = { app: found.app, consumer: found.consumer }
      const beside = await ask((caller) => api.beside(caller, place))
      const isLeft = beside !== undefined && isForgottenPair(deployment, place, beside)
      if (beside && !isLeft) return ends(deployment, 'slot_taken')
      if (credential.state === 'pending') {
        return { ...moved(deployment, 'staging', now()), pair: { place, stagedId: null } }
      }
      if (!beside) return ends(deployment, 'pair_gone')
      return { ...moved(deployment, 'deployed', now()), pair: { place, stagedId: beside.id } }
    }, fails),

    /** Gets the new pair and stores it sealed. */
    stage: step(async ({ deployment, subject, ask }) => {
      const { integration, credential } = subject
      const place = placeOf(deployment)
      if (credential.state === 'pending') {
        const beside = await ask((caller) => api.beside(caller, place))
        if (beside?.isRotated) return ends(deployment, 'slot_taken')
        // A former try created this pair and died before it stored the secret, so the secret is
        // lost.
        if (beside) await ask((caller) => api.remove(caller, place, beside.id))
        const pair = await ask((caller) => api.stage(caller, place))
        await staging.complete(integration.name, credential.id, pair, ITSELF)
      }
      const beside = await ask((caller) => api.beside(caller, place))
      if (!beside) return ends(deployment, 'pair_gone')
      return { ...moved(deployment, 'deployed', now()), pair: { place, stagedId: beside.id } }
    }, fails),

    /** After the former secret is erased here, makes the new pair the main one and ends the old pair. */
    retire: step(async ({ deployment, subject, ask }) => {
      const { integration, credential } = subject
      const { pair } = deployment
      if (credential.state !== 'active') return ends(deployment, 'taken_back')
      if (hasFallback(integration)) return { ...deployment, nextAt: now() + QUIET_POLL_MS }
      const place = placeOf(deployment)
      const beside = await ask((caller) => api.beside(caller, place))
      if (beside && !beside.isRotated) {
        if (beside.id !== pair?.stagedId) return ends(deployment, 'slot_taken')
        await ask((caller) => api.rotate(caller, place, beside.id))
        return { ...deployment, updatedAt: now(), nextAt: now() }
      }
      const consumers = await ask((caller) => api.consumers(caller, subject.target.app))
      const main = consumers.find(({ consumer }) => consumer === place.consumer)
      if (main?.clientId !== clientIdOf(integration, credential)) {
        return ends(deployment, 'pair_gone')
      }
      if (beside) await ask((caller) => api.remove(caller, place, beside.id))
      return moved(deployment, 'retired', now())
    }, waits),
  }
}

/** Whether there is a fallback, which needs the old pair at Salesforce. */
const hasFallback = ({ credentials }: Integration): boolean =>
  credentials.some(({ state }) => state === 'retired')

/** Whether a former deployment staged this pair and failed before it was in use. */
const isForgottenPair = ({ pair }: Deployment, place: ConsumerPlace, beside: BesidePair): boolean =>
  pair?.place?.app === place.app &&
  pair.place.consumer === place.consumer &&
  !beside.isRotated &&
  (pair.stagedId === null || pair.stagedId === beside.id)

function placeOf({ pair }: Deployment): ConsumerPlace {
  if (!pair?.place) throw new BrokerError('internal', 'The deployment does not know its place')
  return pair.place
}
