/** Deploys credentials to Salesforce, proves and activates them. A request starts a deployment, and any replica continues it after a crash. */
import type { Actor, AuditEntry } from '../audit/event.ts'
import type { Absent, PermissionResolver } from '../callers/permission-resolver.ts'
import { allows } from '../callers/policy.ts'
import { activeOf, type Credential } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import type { FreezeGate } from '../freezes/freeze-gate.ts'
import {
  clientIdOf,
  type Integration,
  isDraft,
  isOfAnotherClient,
} from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { checkIfMatch } from '../integrations/preconditions.ts'
import { unnamed } from '../integrations/references/visible.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask, pauseUntil } from '../runtime/tasks.ts'
import { untilWritten } from '../store/compare-and-set.ts'
import type { Documents } from '../store/store.ts'
import type { SingleFlight } from '../tokens/mint/single-flight.ts'
import type { DeploymentSubject } from './deployment.ts'
import {
  afterError,
  DEPLOYMENTS,
  type Deployment,
  deploymentFailed,
  FAILURES,
  isDeploymentOver,
  newDeployment,
  pairAfter,
} from './deployment.ts'
import type { DeploymentSteps } from './deployment-steps.ts'
import { checkOwn, type StagingRequest } from './stage.ts'

export type Deployer = ReturnType<typeof createDeployer>

/** Shortest time between reads of all deployments. */
const LOOK_MS = 1_000
const TROUBLE_MS = 5_000
/** Most deployments that one replica works on. */
const CONCURRENCY = 4
/** How long a finished deployment can be read. */
const KEPT_MS = 30 * 86_400_000

export function createDeployer(dependencies: {
  readonly store: Pick<IntegrationStore, 'read'>
  /** `underLock`: only one replica works on a deployment, and another one takes over within seconds. */
  readonly deployments: Documents & Pick<SingleFlight, 'underLock'>
  readonly steps: DeploymentSteps
  readonly permissions: Pick<PermissionResolver, 'permitsOf'>
  readonly freezes: Pick<FreezeGate, 'require'>
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly runtime: Runtime
  readonly log: Log
}) {
  const { store, deployments, steps, permissions, freezes, audit, runtime, log } = dependencies
  const { now } = runtime
  const active = new Map<string, Promise<unknown>>()

  /** Undefined: the integration is gone. */
  const advance = async (name: string, deployment: Deployment): Promise<Deployment | undefined> => {
    try {
      const integration = await store.read(name)
      if (integration?.uid !== deployment.uid) return undefined
      // After the upload, the deployment is completed, whoever asked for it.
      if (deployment.phase === 'requested' && !(await mayStill(deployment, integration))) {
        return deploymentFailed(deployment, 'permission_lost', FAILURES.permission_lost, now())
      }
      await freezes.require(integration)
      const subject = subjectIn(integration, deployment.credential)
      return await steps.next(deployment, subject, task.stopped)
    } catch (error) {
      if (!task.stopped.aborted) {
        log.warn(
          {
            err: error,
            integration: name,
            credentialId: deployment.credential,
            phase: deployment.phase,
          },
          'a deployment made no progress',
        )
      }
      return afterError(deployment, error, now())
    }
  }

  const mayStill = async ({ asker }: Deployment, integration: Integration): Promise<boolean> =>
    asker === undefined ||
    allows(
      { ...asker, permits: await permissions.permitsOf(asker) },
      'credentials:write',
      integration,
    )

  const write = (name: string, deployment: Deployment, expected: number | 'absent') =>
    DEPLOYMENTS.claim(deployments, name, deployment, {
      expected,
      ...(isDeploymentOver(deployment) && { expiresAt: now() + KEPT_MS }),
    })

  /** Works until it must wait. If another replica wrote meanwhile, the next look continues. */
  const carryOn = async (name: string): Promise<void> => {
    let stored = await DEPLOYMENTS.read(deployments, name)
    while (stored && isReady(stored.body, now()) && !task.stopped.aborted) {
      const former = stored.body
      const next = await advance(name, former)
      if (!next) {
        await DEPLOYMENTS.erase(deployments, name)
        return
      }
      stored = await write(name, next, stored.version)
      if (!stored) return
      if (next.phase !== former.phase) say(name, former, next)
      else if (next.reason !== null && next.reason !== former.reason) complain(name, next)
    }
  }

  const say = (name: string, former: Deployment, next: Deployment) => {
    const { credential, phase, by, reason, detail } = next
    const bindings = { integration: name, credentialId: credential, phase }
    const of = { integration: name, detail: { credential, ...(reason && { reason }) } }
    if (phase === 'failed') {
      log.error({ ...bindings, failedIn: former.phase, reason, detail }, 'a deployment failed')
      audit.background(by, { action: 'credential.deployed', outcome: 'failed', ...of })
      return
    }
    log.info(bindings, 'a deployment made progress')
    if (phase === 'deployed') audit.background(by, { action: 'credential.deployed', ...of })
  }

  const complain = (integration: string, { credential, phase, reason, detail }: Deployment) =>
    log.warn(
      { integration, credentialId: credential, phase, reason, detail },
      'a deployment waits for a retry',
    )

  /** The pair of the client that calls Salesforce must not end while it is used. */
  const checkOtherApp = async (integration: Integration): Promise<void> => {
    const other = await unnamed(store.read(integration.certificateDeployment?.through ?? ''))
    if (!other || other.loginUrl !== integration.loginUrl) return
    const clientId = clientIdOf(other, activeOf(other.credentials))
    const own = activeOf(integration.credentials)
    if (own?.type !== 'client_secret' || clientId !== clientIdOf(integration, own)) return
    throw new BrokerError(
      'credential_state',
      'It would be deployed through its own app: an app cannot replace the secret that it asks with',
    )
  }

  const begin = (name: string) => {
    const work = deployments
      .underLock(`deployment:${name}`, () => carryOn(name))
      .catch((error: unknown) => {
        log.warn({ err: error, integration: name }, 'a deployment cannot continue')
        // It is still due, and would be taken again at once.
        return runtime.sleep(TROUBLE_MS, task.stopped).then(() => 'again' as const)
      })
      .then((ended) => {
        active.delete(name)
        // It was left out of the times to wait for. Where another replica works at it, its writes wake.
        if (ended) task.wake()
      })
    active.set(name, work)
  }

  /** Returns when the next deployment continues. */
  const look = async (): Promise<number> => {
    let nextAt = Number.POSITIVE_INFINITY
    for await (const { id: name, body: deployment } of DEPLOYMENTS.all(deployments)) {
      if (task.stopped.aborted || active.size >= CONCURRENCY) return now()
      if (active.has(name) || isDeploymentOver(deployment)) continue
      if (isReady(deployment, now())) begin(name)
      else nextAt = Math.min(nextAt, deployment.nextAt)
    }
    return nextAt
  }

  const task = createTask({
    ...{ runtime, retryMs: TROUBLE_MS },
    outage: createOutageLogger(log, 'deployments cannot be read', runtime),
    async work() {
      return pauseUntil(await look(), now(), LOOK_MS)
    },
  })

  return {
    /** Starts a deployment, or returns the running one. `asker` must still have permission when the upload begins. Throws `credential_not_found`, `credential_state`, `integration_draft`, `integration_frozen`, `integration_changed`, `conflict`. */
    async request(
      name: string,
      credentialId: string,
      { authorise, preconditions }: StagingRequest,
      by: Actor,
      asker?: Absent,
    ): Promise<{ readonly integration: Integration; readonly deployment: Deployment }> {
      return untilWritten(`the deployment of ${name}`, async () => {
        const known = await DEPLOYMENTS.read(deployments, name)
        const integration = await authorise(name, await store.read(name))
        const { uid } = integration
        const former = known?.body.uid === uid ? known.body : undefined
        checkDeployable(integration, credentialId, former)
        await freezes.require(integration)
        await checkOtherApp(integration)
        const underWay = former && !isDeploymentOver(former) ? former : undefined
        if (underWay && underWay.credential !== credentialId) {
          throw new BrokerError(
            'credential_state',
            `The deployment of ${underWay.credential} is under way`,
          )
        }
        checkIfMatch(preconditions, integration)
        if (underWay) return { integration, deployment: underWay }
        const isSecret = isSecretIn(integration, credentialId)
        const of = {
          ...{ uid, credential: credentialId, by, ...(asker && { asker }) },
          ...(isSecret && { pair: pairAfter(former) }),
        }
        const deployment = newDeployment(of, now())
        const stored = await write(name, deployment, known?.version ?? 'absent')
        if (!stored) return 'lost'
        task.wake()
        return { integration, deployment }
      })
    },
    /** The newest deployment of the integration. */
    async read(name: string): Promise<Deployment | undefined> {
      return (await DEPLOYMENTS.read(deployments, name))?.body
    },
    start: task.start,
    wake: task.wake,
    tick: task.tick,
    async stop(): Promise<void> {
      await task.stop()
      await Promise.all(active.values())
    },
  }
}

const isReady = (deployment: Deployment, now: number): boolean =>
  !isDeploymentOver(deployment) && deployment.nextAt <= now

function subjectIn(integration: Integration, credentialId: string): DeploymentSubject {
  const { certificateDeployment: target, credentials } = integration
  const credential = credentials.find(({ id }) => id === credentialId)
  if (!credential || !target) {
    throw new BrokerError('credential_not_found', 'It is gone, or the way to deploy it is')
  }
  return { integration, credential, target }
}

function checkDeployable(
  integration: Integration,
  credentialId: string,
  former: Deployment | undefined,
): void {
  checkOwn(integration)
  const { certificateDeployment, credentials, name } = integration
  const credential = credentials.find(({ id }) => id === credentialId)
  if (!credential) {
    throw new BrokerError('credential_not_found', 'There is no credential with this id')
  }
  if (!certificateDeployment) {
    throw new BrokerError('credential_state', `Integration ${name} has no deployment`)
  }
  const why =
    credential.type === 'client_secret'
      ? whyNoSecret(integration, credential, former)
      : whyNoCertificate(integration, credential)
  if (why !== undefined) throw new BrokerError('credential_state', why)
  if (credential.state !== 'active' && isDraft(integration)) {
    throw new BrokerError('integration_draft', 'It has no client id yet, so nothing can be proven')
  }
}

function whyNoCertificate(integration: Integration, credential: Credential): string | undefined {
  const { state, certificate } = credential
  if (state === 'pending') return 'A pending credential has no certificate yet'
  if (!certificate) return 'The credential has no certificate'
  if (state === 'staged' && isOfAnotherClient(integration, credential))
    return 'It belongs to another app'
  return undefined
}

/** Salesforce generates the secret. A credential that already has its secret needs no deployment. */
function whyNoSecret(
  { credentials }: Integration,
  { id, state }: Credential,
  former: Deployment | undefined,
): string | undefined {
  if (former?.credential === id && (state === 'staged' || !isDeploymentOver(former)))
    return undefined
  if (state !== 'pending') return 'Only a secret that Salesforce is to make is deployed'
  const staged = credentials.find((one) => one.state === 'staged')
  return staged && `There is one staged already, ${staged.id}: activate or delete it first`
}

const isSecretIn = ({ credentials }: Integration, credentialId: string): boolean =>
  credentials.some(({ id, type }) => id === credentialId && type === 'client_secret')
