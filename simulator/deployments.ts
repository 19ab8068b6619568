import type { App, Apps } from './apps.ts'
import { currentPair } from './apps.ts'
import type { Clock } from './clock.ts'
import { archiveFiles, elementsIn, membersIn } from './deployment-archive.ts'
import type { RecordIds } from './identifiers.ts'
import type { Settings } from './settings.ts'

/**
 * Deployments of the Metadata API: asynchronous, and all or nothing. Of all types one is known, the
 * global OAuth settings of external client apps, which replace what the app had.
 */
export interface Deployments {
  start(deployment: NewDeployment): Deployment
  find(id: string): Deployment | undefined
  all(): readonly Deployment[]
  /** Applies what is done by now. Called before each request is answered. */
  settle(): void
}

export interface NewDeployment {
  readonly orgId: string
  readonly userId: string
  /** The zip, as it was sent. */
  readonly archive: Uint8Array
  readonly checkOnly: boolean
}

export const OUTCOMES = ['Succeeded', 'Failed', 'Canceled'] as const

export interface Deployment {
  readonly id: string
  readonly orgId: string
  readonly userId: string
  readonly checkOnly: boolean
  readonly createdAt: number
  readonly doneAt: number
  readonly status: 'Pending' | 'InProgress' | (typeof OUTCOMES)[number]
  readonly failures: readonly ComponentFailure[]
  /** What was deployed, by full name. */
  readonly components: readonly string[]
}

export interface ComponentFailure {
  readonly fileName: string
  readonly fullName: string
  readonly componentType: string
  readonly problem: string
}

const TYPE = 'ExtlClntAppGlobalOauthSettings'
const FOLDER = 'extlClntAppGlobalOauthSets'
const SUFFIX = '.ecaGlblOauth'

interface Planned {
  readonly components: readonly string[]
  readonly failures: readonly ComponentFailure[]
  readonly apply: () => void
}

interface Pending extends Planned {
  readonly deployment: Omit<Deployment, 'status' | 'failures' | 'components'>
  isSettled: boolean
  outcome: (typeof OUTCOMES)[number] | undefined
}

export interface DeploymentsDependencies {
  readonly ids: RecordIds
  readonly clock: Clock
  readonly settings: () => Settings
  readonly apps: Apps
}

export function createDeployments(dependencies: DeploymentsDependencies): Deployments {
  const { ids, clock, settings, apps } = dependencies
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
        ...plan(archive, orgId, apps),
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

/** What the archive would do, and what is wrong with it. */
function plan(archive: Uint8Array, orgId: string, apps: Apps): Planned {
  const files = archiveFiles(archive)
  const manifest = files?.get('package.xml')
  if (!files || manifest === undefined) {
    const problem = 'No package.xml found'
    const failure = { fileName: 'package.xml', fullName: 'package.xml', componentType: '', problem }
    return { components: [], failures: [failure], apply: () => undefined }
  }
  const changes = membersIn(manifest).map(({ type, member }) => {
    const fileName = `${FOLDER}/${member}${SUFFIX}`
    const base = { fileName, fullName: member, componentType: type }
    const text = type === TYPE ? files.get(fileName) : undefined
    if (text === undefined) {
      const problem = `An object '${member}' of type ${type} was named in package.xml, but was not found in zipped directory`
      return { failure: { ...base, problem } }
    }
    const change = changeOf(member, elementsIn(text), orgId, apps)
    return typeof change === 'string' ? { failure: { ...base, problem: change } } : { change }
  })
  return {
    components: membersIn(manifest).map(({ member }) => member),
    failures: changes.flatMap(({ failure }) => failure ?? []),
    apply: () => {
      for (const { change } of changes) change?.()
    },
  }
}

/** Replaces the settings as a whole: what the file leaves out is no more. Or what is wrong with them. */
function changeOf(
  member: string,
  elements: ReadonlyMap<string, string>,
  orgId: string,
  apps: Apps,
): (() => void) | string {
  const name = elements.get('externalClientApplication') ?? ''
  const app = apps.all().find((one) => one.orgId === orgId && one.apiName === name)
  if (app?.kind !== 'external_client_app') {
    return `In field: externalClientApplication - no ExternalClientApplication named ${name} found`
  }
  if (member !== `${name}_glbloauth`) return `${name} has global OAuth settings of another name`
  for (const required of ['callbackUrl', 'label']) {
    if (!elements.get(required)) return `Required field is missing: ${required}`
  }
  const { clientId } = currentPair(app.configuration.latest())
  const consumerKey = elements.get('consumerKey')
  if (consumerKey !== undefined && consumerKey !== clientId) {
    return 'The consumer key cannot be changed'
  }
  return tried(app, clientId, elements, apps)
}

/** A certificate that the upload form would refuse is refused here, too. */
function tried(
  app: App,
  clientId: string,
  elements: ReadonlyMap<string, string>,
  apps: Apps,
): (() => void) | string {
  const changes = {
    certificatePem: elements.get('certificate') || null,
    clientCredentialsFlow: elements.get('isClientCredentialsFlowEnabled') === 'true',
  }
  try {
    apps.check(changes)
  } catch (error) {
    return `Invalid certificate for ${app.apiName}: ${error instanceof Error ? error.message : error}`
  }
  return () => void apps.update(clientId, changes)
}
