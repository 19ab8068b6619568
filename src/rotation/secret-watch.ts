/** Secrets that are in vaults: read again and again. One that changed is staged, and proven by a mint. Each replica reads its own copy. */
import type { Actor, AuditEntry } from '../audit/event.ts'
import {
  addSecret,
  type Credential,
  type CredentialSecret,
  type CredentialSecrets,
} from '../credentials/credential.ts'
import type { FreshCredential } from '../credentials/fresh-credential.ts'
import type { Intake } from '../credentials/intake.ts'
import { type Outside, textOfSources } from '../credentials/outside.ts'
import type { OutsideSecrets } from '../credentials/outside-secrets.ts'
import { added } from '../credentials/stages.ts'
import { BrokerError, isStoreTrouble } from '../errors/errors.ts'
import type { CredentialWriter } from '../integrations/credential-writer.ts'
import { everyIntegration } from '../integrations/every.ts'
import { type Integration, isDraft, presentsRefreshToken } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { byItself } from '../integrations/references/visible.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import type { Activation } from './activation.ts'

interface SecretWatchDependencies {
  readonly store: Pick<IntegrationStore, 'list' | 'readSealed'>
  readonly credentials: Pick<CredentialWriter, 'change'>
  readonly secrets: Pick<Intake, 'reread'> & Pick<OutsideSecrets, 'forgetOthers'>
  readonly activation: Activation
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly runtime: Runtime
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** Interval at which a secret is read. One that Vault lends for a shorter time is read when that is over. */
const LOOK_MS = 60_000
/** Shortest time between two looks at the secrets of an integration. */
const LEAST_MS = 5_000
/** Pause after each integration, so that a vault gets at most ten reads a second from a replica. */
const PACE_MS = 100
const BY: Actor = { principal: null, requestId: 'rotation' }

/** A credential with its place in a vault, and the digest of what is in use. */
interface Head {
  readonly credential: Credential
  readonly outside: Outside
}

export function createSecretWatch(dependencies: SecretWatchDependencies) {
  const {
    store,
    credentials: writer,
    secrets: vaults,
    activation,
    audit,
    runtime,
    log,
  } = dependencies
  const { now, monotonic } = runtime
  /** By name of the integration: when its secrets are due, by the monotonic clock. */
  const due = new Map<string, number>()
  const lookedAt = new Map<string, number>()
  const troubles = new Map<string, BrokerError>()
  const urgent = new Set<string>()
  const inUse = new Map<string, readonly string[]>()
  /** By name of the integration: the credential that Salesforce refused last. */
  const rejected = new Map<string, string>()
  let listAt = Number.NEGATIVE_INFINITY

  const ill = (integration: string, err: BrokerError): void => {
    const former = troubles.get(integration)
    troubles.set(integration, err)
    if (former?.code === err.code && former.detail === err.detail) return
    log.warn({ integration, err }, 'a secret could not be read again from its vault')
  }

  const well = (integration: string): void => {
    if (troubles.delete(integration))
      log.info({ integration }, 'the vault of an integration gives its secret again')
  }

  /** Stages what changed, in place of a former change that Salesforce did not accept yet. Undefined: there is nothing to do, or another replica did it. */
  const staged = async (name: string, { uid }: Integration, fresh: FreshCredential) => {
    const { credential, secret } = fresh
    const changed = await writer.change(name, async (sealed) => {
      const integration = sealed?.integration
      if (!sealed || integration?.uid !== uid) return undefined
      const secrets = await sealed.open()
      if (withDigest(integration, secrets, secret)) return undefined
      const others = integration.credentials.filter(
        (one) => one.state !== 'staged' || !isOfSameSources(one, credential),
      )
      const detail = { credential: credential.id }
      const entry = { action: 'credential.staged', integration: name, detail } as const
      return {
        credentials: added(others, credential, now()),
        secrets: addSecret(secrets, credential, secret),
        ...{ updatedAt: now(), audited: { by: BY, entry } },
      }
    })
    if (!changed) return undefined
    log.info({ integration: name, credentialId: credential.id }, 'a secret of a vault changed')
    return changed.integration
  }

  /** Makes it active if Salesforce accepts it. Otherwise it stays as it is until the active one is refused. */
  const prove = async (integration: Integration, id: string): Promise<void> => {
    const { name, enabled } = integration
    if (!enabled || isDraft(integration) || presentsRefreshToken(integration)) return
    try {
      const request = { authorise: byItself, preconditions: {}, by: BY }
      await activation.activate(name, id, { ...request, prove: 'once' })
      const detail = { credential: id }
      audit.background(BY, { action: 'credential.activated', integration: name, detail })
    } catch (err) {
      if (!(err instanceof BrokerError)) throw err
      if (err.code === 'credential_rejected') rejected.set(name, id)
      const ids = { integration: name, credentialId: id, err }
      log.info(ids, 'a secret of a vault changed, and is not proven yet')
    }
  }

  const take = async (
    integration: Integration,
    secrets: CredentialSecrets,
    fresh: FreshCredential,
  ): Promise<void> => {
    const known = withDigest(integration, secrets, fresh.secret)
    // The vault went back to the former secret. Each try is a login, so a refusal counts until the next one comes.
    const isReturned = known?.state === 'retired' && rejected.get(integration.name) !== known.id
    if (known && isReturned) return prove(integration, known.id)
    if (known) return
    const written = await staged(integration.name, integration, fresh)
    if (written) await prove(written, fresh.credential.id)
  }

  const look = async (name: string): Promise<void> => {
    lookedAt.set(name, monotonic())
    due.set(name, monotonic() + LOOK_MS)
    // The log of the store tells of a record that cannot be used.
    const sealed = await unlessUnusable(store.readSealed(name))
    const secrets = await unlessUnusable((async () => sealed?.open())())
    if (!sealed || !secrets) return
    const { integration } = sealed
    inUse.set(name, digestsIn(secrets))
    try {
      for (const { credential, outside: place } of headsOf(integration, secrets)) {
        const { fresh, lifeMs = LOOK_MS } = await vaults.reread(credential, place)
        const lateMs = Math.max(LEAST_MS, Math.min(LOOK_MS, lifeMs))
        due.set(name, Math.min(due.get(name) ?? 0, monotonic() + lateMs))
        if (fresh) await take(integration, secrets, fresh)
      }
      well(name)
    } catch (error) {
      if (!(error instanceof BrokerError) || isStoreTrouble(error)) throw error
      ill(name, error)
    }
  }

  /** What cannot wait for the others. */
  const lookUrgent = async (): Promise<void> => {
    for (const name of urgent) {
      urgent.delete(name)
      await look(name)
    }
  }

  const lookIfDue = async (name: string): Promise<void> => {
    await lookUrgent()
    if (task.stopped.aborted || (due.get(name) ?? 0) > monotonic()) return
    await look(name)
    await runtime.sleep(PACE_MS, task.stopped)
  }

  /** Also finds integrations that are new. */
  const lookAll = async (): Promise<void> => {
    const seen = new Set<string>()
    for await (const { name, credentials } of everyIntegration(store)) {
      if (task.stopped.aborted) return
      if (!credentials.some((one) => one.outside)) continue
      seen.add(name)
      await lookIfDue(name)
    }
    for (const map of [due, lookedAt, troubles, inUse, rejected]) {
      for (const name of map.keys()) if (!seen.has(name)) map.delete(name)
    }
    vaults.forgetOthers(new Set([...inUse.values()].flat()))
  }

  const task = createTask({
    ...{ runtime, retryMs: LEAST_MS },
    outage: createOutageLogger(log, 'secrets of vaults cannot be looked at', runtime),
    async work() {
      await lookUrgent()
      if (monotonic() >= listAt) {
        await lookAll()
        listAt = monotonic() + LOOK_MS
      } else for (const name of [...due.keys()]) await lookIfDue(name)
      return Math.max(PACE_MS, Math.min(listAt, ...due.values()) - monotonic())
    },
  })

  return {
    start: task.start,
    stop: task.stop,
    tick: task.tick,
    /** Salesforce refused the active credential: looks whether its vault has another one by now. */
    refused({ name, credentials }: Integration): void {
      const isDue = monotonic() - (lookedAt.get(name) ?? Number.NEGATIVE_INFINITY) >= LEAST_MS
      if (!isDue || !credentials.some((one) => one.outside)) return
      urgent.add(name)
      task.wake()
    },
    /** Why the last look at the secrets of an integration failed. Undefined: it did not. */
    troubleOf: (name: string): BrokerError | undefined => troubles.get(name),
    /** How many integrations have such a trouble. */
    unread: (): number => troubles.size,
  }
}

const isOfSameSources = (one: Credential, other: Credential): boolean =>
  one.outside !== undefined &&
  other.outside !== undefined &&
  textOfSources(one.outside.sources) === textOfSources(other.outside.sources)

const digestOf = (secret: CredentialSecret | undefined): string | undefined =>
  secret && 'outside' in secret ? secret.outside.digest : undefined

const digestsIn = ({ byId }: CredentialSecrets): readonly string[] =>
  Object.values(byId).flatMap((secret) => digestOf(secret) ?? [])

/** The credential that has this secret already. */
const withDigest = (
  { credentials }: Integration,
  { byId }: CredentialSecrets,
  secret: CredentialSecret,
): Credential | undefined => credentials.find(({ id }) => digestOf(byId[id]) === digestOf(secret))

/** What may change: of each place the newest credential, the staged one before the active one. */
function headsOf({ credentials }: Integration, { byId }: CredentialSecrets): readonly Head[] {
  const heads = new Map<string, Head>()
  for (const state of ['staged', 'active'] as const) {
    for (const credential of credentials.filter((one) => one.state === state)) {
      const secret = byId[credential.id]
      if (!secret || !('outside' in secret)) continue
      const place = textOfSources(secret.outside.sources)
      if (!heads.has(place)) heads.set(place, { credential, outside: secret.outside })
    }
  }
  return [...heads.values()]
}
