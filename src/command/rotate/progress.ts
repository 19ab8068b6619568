/** What is new in a rotation since the last look, as lines for people. Pure. */
import type { Credential, Deployment } from '../../client/api/credentials.ts'
import type { Integration } from '../../client/api/integrations.ts'

export interface RotationLook {
  readonly credentials: readonly Credential[]
  readonly status: Integration['status']
  /** Of a rotation that is deployed. */
  readonly deployment?: Deployment
}

interface Step {
  /** As in `staged`. The same step is told once. */
  readonly step: string
  readonly says: string
}

/** How it ends, if it is over. `active`: only the erasure of the former credential is left. */
type Stand = 'going' | 'active' | 'done' | 'failed'

const PHASES: Readonly<Partial<Record<Deployment['phase'], string>>> = {
  requested: 'the broker begins the deployment',
  uploaded: 'Salesforce has the files',
  deploying: 'Salesforce deploys them',
  staging: 'Salesforce makes a new pair of key and secret beside the one in use',
  deployed:
    'the app has it; now it spreads to all servers of Salesforce, which takes 2 to 10 minutes',
  proven: 'Salesforce took it in a real login',
}

/** Reasons that a change which has not spread explains. */
const SPREADING = 'propagating'

export function rotationSteps(
  id: string,
  { credentials, status, deployment }: RotationLook,
): readonly Step[] {
  const own = credentials.find((one) => one.id === id)
  const former = credentials.filter((one) => one.id !== id && one.state === 'retired')
  const { reason, class: kind } = Object(status.last_refusal) as Record<string, unknown>
  const phase = deployment && PHASES[deployment.phase]
  const isRefused = own?.state === 'staged' && (status.state === SPREADING || kind === SPREADING)
  return [
    ...(deployment && phase ? [{ step: deployment.phase, says: phase }] : []),
    ...(deployment?.phase === 'failed' ? [failure(deployment)] : []),
    ...(isRefused
      ? [
          {
            step: 'refused',
            says: `Salesforce refuses both credentials (${String(reason ?? 'signature')}): the change spreads, which takes 2 to 10 minutes`,
          },
        ]
      : []),
    ...(own?.state === 'active' ? [activation(own, former)] : []),
    ...(own?.state === 'active' && former.length === 0
      ? [{ step: 'erased', says: 'the former credential is erased' }]
      : []),
  ]
}

const failure = ({ detail, reason, failed_in }: Deployment): Step => ({
  step: 'failed',
  says: `${detail ?? reason ?? 'the deployment failed'}${failed_in === null ? '' : ` (in the phase ${failed_in})`}; the former credential works as before`,
})

function activation({ id }: Credential, former: readonly Credential[]): Step {
  const until = former[0]?.retires_at
  const rest = until ? `; the former one is kept until ${until} at least` : ''
  return { step: 'active', says: `${id} is the active credential${rest}` }
}

export function standOf(id: string, { credentials, deployment }: RotationLook): Stand {
  const own = credentials.find((one) => one.id === id)
  if (own?.state === 'active') {
    const isLast = credentials.every((one) => one.id === id || one.state !== 'retired')
    const isRunning = deployment?.phase === 'activated' && own.type === 'client_secret'
    return isLast && !isRunning ? 'done' : 'active'
  }
  return deployment?.phase === 'failed' || own === undefined || own.state === 'retired'
    ? 'failed'
    : 'going'
}
