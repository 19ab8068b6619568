import { appNamed, COMPONENT_TYPES, type DeploymentTarget, type Effect } from './app-components.ts'
import type { AppChanges, Apps } from './apps.ts'
import { currentPair } from './apps.ts'
import type { Clock } from './clock.ts'
import { archiveFiles, elementsIn, membersIn } from './deployment-archive.ts'
import type { RecordIds } from './identifiers.ts'
import type { Directory } from './orgs.ts'
import type { Settings } from './settings.ts'

/** Deployments of the Metadata API: asynchronous and atomic. It supports the types of external client apps and permission sets, and assigns no permission set. */
export interface Deployments {
  start(deployment: NewDeployment): Deployment
  find(id: string): Deployment | undefined
  all(): readonly Deployment[]
  /** Applies deployments that are complete now. Called before each answer. */
  settle(): void
}

interface NewDeployment {
  readonly orgId: string
  readonly userId: string
  /** The zip of the request. */
  readonly archive: Uint8Array
  readonly checkOnly: boolean
}

const OUTCOMES = ['Succeeded', 'Failed', 'Canceled'] as const

export interface Deployment {
  readonly id: string
  readonly orgId: string
  readonly userId: string
  readonly checkOnly: boolean
  readonly createdAt: number
  readonly doneAt: number
  readonly status: 'Pending' | 'InProgress' | (typeof OUTCOMES)[number]
  readonly failures: readonly ComponentFailure[]
  /** The components in the manifest. */
  readonly components: readonly DeployedComponent[]
}

interface DeployedComponent {
  readonly fileName: string
  readonly fullName: string
  readonly componentType: string
}

interface ComponentFailure extends DeployedComponent {
  readonly problem: string
}

interface Planned {
  readonly components: readonly DeployedComponent[]
  readonly failures: readonly ComponentFailure[]
  readonly apply: () => void
}

interface Pending extends Planned {
  readonly deployment: Omit<Deployment, 'status' | 'failures' | 'components'>
  isSettled: boolean
  outcome: (typeof OUTCOMES)[number] | undefined
}

interface DeploymentsDependencies {
  readonly ids: RecordIds
  readonly clock: Clock
  readonly settings: () => Settings
  readonly apps: Apps
  readonly users: Pick<Directory, 'findUser'>
}

export function createDeployments(dependencies: DeploymentsDependencies): Deployments {
  const { ids, clock, settings, apps, users } = dependencies
  const byId = new Map<string, Pending>()

  const settle = () => {
    for (const pending of byId.values()) {
      if (pending.isSettled || clock.now() < pending.deployment.doneAt) continue
      const { outcome } = settings().metadataDeploy
      pending.isSettled = true
      pending.outcome = outcome === 'Succeeded' && pending.failures.length > 0 ? 'Failed' : outcome
      if (pending.outcome === 'Succeeded' && !pending.deployment.checkOnly) pending.apply()
    }
  }

  const view = (pending: Pending): Deployment => {
    const { deployment, outcome, components, failures } = pending
    const { createdAt, doneAt } = deployment
    const isBegun = clock.now() >= (createdAt + doneAt) / 2
    return {
      ...deployment,
      components,
      status: outcome ?? (isBegun ? 'InProgress' : 'Pending'),
      failures: outcome === 'Failed' ? failures : [],
    }
  }

  return {
    start({ orgId, userId, archive, checkOnly }) {
      const createdAt = clock.now()
      const pending: Pending = {
        ...plan(archive, { orgId, apps, users }),
        deployment: {
          id: ids.next('0Af'),
          ...{ orgId, userId, checkOnly, createdAt },
          doneAt: createdAt + settings().metadataDeploy.durationMs,
        },
        isSettled: false,
        outcome: undefined,
      }
      byId.set(pending.deployment.id, pending)
      return view(pending)
    },
    find(id) {
      const pending = byId.get(id)
      return pending && view(pending)
    },
    all: () => [...byId.values()].map(view),
    settle,
  }
}

/** The changes and the errors of an archive. */
function plan(
  archive: Uint8Array,
  { orgId, apps, users }: Omit<DeploymentTarget, 'made'>,
): Planned {
  const files = archiveFiles(archive)
  const manifest = files?.get('package.xml')
  if (!files || manifest === undefined) {
    const problem = 'No package.xml found'
    const failure = { fileName: 'package.xml', fullName: 'package.xml', componentType: '', problem }
    return { components: [], failures: [failure], apply: () => undefined }
  }
  const named = membersIn(manifest)
  const made = new Set(
    named.flatMap(({ type, member }) => (type === 'ExternalClientApplication' ? member : [])),
  )
  const target = { orgId, apps, users, made }
  const results = named.map(({ type, member }) => {
    const known = Object.hasOwn(COMPONENT_TYPES, type) ? COMPONENT_TYPES[type] : undefined
    const fileName = known ? `${known.folder}/${member}.${known.suffix}` : member
    const text = files.get(fileName)
    const effect =
      known === undefined || text === undefined
        ? `An object '${member}' of type ${type} was named in package.xml, but was not found in zipped directory`
        : known.effect({ type, member, elements: elementsIn(text) }, target)
    return { component: { fileName, fullName: member, componentType: type }, effect }
  })
  return {
    components: results.map(({ component }) => component),
    failures: results.flatMap(({ component, effect }) =>
      typeof effect === 'string' ? { ...component, problem: effect } : [],
    ),
    apply: () =>
      applied(
        results.flatMap(({ effect }) => (typeof effect === 'string' ? [] : effect)),
        target,
      ),
  }
}

/** Applies all changes of an app together. Creates a missing app. */
function applied(effects: readonly Exclude<Effect, string>[], target: DeploymentTarget): void {
  for (const name of new Set(effects.flatMap(({ app }) => app ?? []))) {
    const changes: AppChanges = Object.assign(
      {},
      ...effects.flatMap((effect) => (effect.app === name ? effect.changes : [])),
    )
    const app = appNamed(target, name)
    if (app) target.apps.update(currentPair(app.configuration.latest()).clientId, changes)
    else target.apps.add({ orgId: target.orgId, name, apiName: name, ...changes })
  }
}
