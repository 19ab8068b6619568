/** Composes webhooks: their source, their queue and their delivery. Without a URL, nothing runs. */
import type { AuditEvents } from '../audit/event.ts'
import type { Secret } from '../crypto/secret.ts'
import { grantOf } from '../grants/index.ts'
import { REFUSALS } from '../grants/refusals/refusal-table.ts'
import { explanationOf } from '../grants/refusals/refusals.ts'
import { TRIED_GRANTS, type Tried } from '../grants/token-endpoint/tried.ts'
import { createOutbound, type OutboundDependencies } from '../http/outbound/outbound.ts'
import type { Identity } from '../identity/identity.ts'
import { createPinStore, type PinStore } from '../identity/pin-store.ts'
import { type Integration, isWatched } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Core } from '../store/core.ts'
import type { StoreEvents } from '../store/store-events.ts'
import { ATTEMPT_MS, createWebhookDelivery } from './webhook-delivery.ts'
import { createWebhookQueue, WEBHOOK_KIND, type WebhookMeter } from './webhook-queue.ts'
import { createWebhookSender } from './webhook-sender.ts'
import { createWebhookSource, type Described } from './webhook-source.ts'

interface Webhooks {
  /** Number of events that wait for delivery. */
  waiting(): number
  start(): void
  stop(): Promise<void>
}

const OFF: Webhooks = {
  waiting: () => 0,
  start: () => undefined,
  stop: async () => undefined,
}

const LOST = {
  full: 'webhooks are lost, because the queue is full',
  failed: 'webhooks are lost, because they cannot be created',
  stopped: 'webhooks are lost, because the store did not accept them before the process stopped',
} as const

export function composeWebhooks(dependencies: {
  readonly core: Core<StoreEvents & AuditEvents>
  readonly settings: {
    /** Absent: there are no webhooks. */
    readonly webhookUrl: Secret | undefined
    readonly webhookSecrets: readonly Secret[]
    readonly publicUrl: string | undefined
  }
  readonly integrations: Pick<IntegrationStore, 'read'>
  readonly proxy: NonNullable<OutboundDependencies['proxy']>
  readonly meter: WebhookMeter
}): Webhooks {
  const { core, settings, integrations, proxy, meter } = dependencies
  const { store, events, runtime, log } = core
  const { now } = runtime
  const { webhookUrl: url, webhookSecrets: secrets, publicUrl } = settings
  if (!url) return OFF
  const storing = createOutageLogger(log, 'webhooks cannot be queued or read', runtime)
  let failed = 0
  let lost = 0
  const { origin, protocol } = new URL(url.reveal())
  // The operator chose this URL, so its address may be private. Plain http is only for loopback.
  const hosts = { allowsPrivate: (to: URL) => protocol === 'http:' && to.origin === origin }
  const outbound = createOutbound({ hosts, proxy, reach: 'anywhere', deadlineMs: ATTEMPT_MS })
  const queue = createWebhookQueue({ documents: store.documents, now })
  const pins = createPinStore(store.documents)
  const delivery = createWebhookDelivery({
    queue,
    sender: createWebhookSender({ url, secrets, outbound, now }),
    ...{ runtime, outage: storing },
    onDelivered() {
      meter.sent('delivered')
      if (failed > 0) log.info({ failed }, 'webhooks are delivered again')
      failed = 0
    },
    onFailed({ why, hop }) {
      meter.sent('failed')
      failed += 1
      if (failed === 1) log.warn({ why, ...(hop && { hop }) }, 'webhooks cannot be delivered')
    },
    onExpired({ event }) {
      meter.lost('expired')
      const { id, type, integration } = event
      log.error({ id, type, integration }, 'a webhook was dropped after a day')
    },
  })
  const source = createWebhookSource({
    store,
    queue,
    async describe(name) {
      const integration = await integrations.read(name)
      return integration && described(integration, { publicUrl, pins })
    },
    ...{ runtime, outage: storing },
    onQueued() {
      if (lost > 0) log.info({ lost }, 'webhooks are queued again')
      lost = 0
      delivery.wake()
    },
    onLost(why) {
      meter.lost(why)
      lost += 1
      if (lost === 1) log.error({ why }, LOST[why])
    },
  })

  events.on('audit.recorded', ({ by, entry }) => source.note(by, entry))
  events.on('store.changed', (change) => {
    if (change.type === 'document' && change.kind === WEBHOOK_KIND) delivery.wake()
  })
  return {
    waiting: queue.count,
    start() {
      source.start()
      delivery.start()
    },
    async stop() {
      await source.stop()
      await delivery.stop()
      await outbound.close()
    },
  }
}

interface DescribedFrom {
  readonly publicUrl: string | undefined
  readonly pins: Pick<PinStore, 'read'>
}

function described(integration: Integration, { publicUrl, pins }: DescribedFrom): Described {
  const { name, uid, labels, credentials, createdAt } = integration
  const credentialOf = (id: string) => credentials.find((credential) => credential.id === id)
  return {
    uid,
    isWatched: isWatched(integration),
    common: {
      labels,
      ...(publicUrl !== undefined && { url: `${publicUrl}/integrations/${name}` }),
    },
    certificate(id) {
      const credential = credentialOf(id)
      const certificate = credential?.certificate
      return {
        ...(credential && { type: credential.type }),
        ...(certificate && {
          fingerprint_sha256: certificate.fingerprintSha256,
          not_after: new Date(certificate.notAfter).toISOString(),
        }),
      }
    },
    activatedAt: (id) => credentialOf(id)?.activatedAt ?? null,
    isFirst: (id) => credentialOf(id)?.activatedAt === createdAt,
    refusal(reason) {
      if (!isReason(reason)) return { reason }
      const { cause, remedy, setupPath } = explanationOf(reason, triedBy(integration))
      return { reason, cause, remedy, setup_path: setupPath }
    },
    async identity() {
      const { pin } = await pins.read(integration)
      return {
        expected: idsOf(pin?.identity),
        seen: idsOf(pin?.seen ?? undefined),
      }
    },
  }
}

const isReason = (reason: string | null): reason is keyof typeof REFUSALS =>
  reason !== null && Object.hasOwn(REFUSALS, reason)

/** As far as the definition shows: whether an app with a refresh token has a key or a secret is sealed. */
function triedBy({ grant: settings }: Pick<Integration, 'grant'>): Tried | undefined {
  const grant = TRIED_GRANTS.find((one) => one === settings.type)
  const proof = grantOf(settings.type).credentialType(settings)
  return grant && { grant, ...(proof !== 'refresh_token' && { proof }) }
}

const idsOf = (identity: Identity | undefined) =>
  identity ? { org_id: identity.orgId, user_id: identity.userId } : null
