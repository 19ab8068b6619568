/** Reports expiring certificates at 60, 30, 14, 7 and 1 days and after expiry, once each for all replicas. Salesforce neither warns nor refuses. */

import { Type } from 'typebox'
import { type Actor, type AuditEntry, NOBODY } from '../audit/event.ts'
import { activeOf } from '../credentials/credential.ts'
import { everyIntegration } from '../integrations/every.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { documentKind } from '../store/documents.ts'
import { unlessUnusable } from '../store/integrity/record-schema.ts'
import type { Documents } from '../store/store.ts'

export interface CertificateEnd {
  readonly integration: string
  readonly credential: string
  /** Epoch milliseconds. */
  readonly notAfter: number
  /** Negative after expiry. */
  readonly secondsToExpiry: number
}

interface ExpiryNotifier {
  /** Checks all certificates now and then every hour, in the background. */
  start(): void
  stop(): Promise<void>
}

/** Days left, largest first. 0 is expired. */
export const THRESHOLDS = [60, 30, 14, 7, 1, 0] as const

type Threshold = (typeof THRESHOLDS)[number]

/** The smallest reported threshold, by credential. */
const MARKS = documentKind({
  kind: 'certificate-end',
  schema: Type.Object({ days: Type.Number() }),
  // A spoiled record must not stop the reports.
  replacesCorrupt: true,
})
const INTERVAL_MS = 3_600_000
/** Pause after the store could not be read. */
const AGAIN_MS = 60_000
const DAY_SECONDS = 86_400
/** An expired certificate that is still active after this time is reported again. */
const MARK_MS = 366 * DAY_SECONDS * 1000

/** The smallest threshold that is reached. Undefined: none is. */
export const thresholdOf = (secondsToExpiry: number): Threshold | undefined =>
  THRESHOLDS.findLast((days) => secondsToExpiry <= days * DAY_SECONDS)

export function createExpiryNotifier(dependencies: {
  readonly store: Pick<IntegrationStore, 'list'>
  readonly documents: Pick<Documents, 'read' | 'write'>
  readonly audit: { background(by: Actor, entry: AuditEntry): void }
  readonly runtime: Runtime
  readonly log: Log
}): ExpiryNotifier {
  const { store, documents, audit, runtime, log } = dependencies
  const { now } = runtime

  /** The replica that writes the mark reports it. */
  const claim = async (credential: string, days: Threshold): Promise<boolean> => {
    const written = await MARKS.update(
      documents,
      credential,
      (mark) => (mark && mark.body.days <= days ? undefined : { days }),
      () => now() + MARK_MS,
    )
    return written !== undefined
  }

  const say = ({ integration, credential, notAfter }: CertificateEnd, days: Threshold) => {
    log.warn(
      { integration, credentialId: credential, days, notAfter: new Date(notAfter).toISOString() },
      days === 0 ? 'a certificate has expired' : 'a certificate expires soon',
    )
    audit.background(NOBODY, {
      action: 'certificate.expiring',
      integration,
      detail: { credential, days },
    })
  }

  const look = async () => {
    for await (const end of certificateEnds(store, now)) {
      if (task.stopped.aborted) return
      const days = thresholdOf(end.secondsToExpiry)
      if (days === undefined) continue
      if (await unlessUnusable(claim(end.credential, days))) say(end, days)
    }
  }

  const task = createTask({
    ...{ runtime, retryMs: AGAIN_MS },
    outage: createOutageLogger(log, 'the expiry of certificates cannot be checked', runtime),
    async work() {
      await look()
      return INTERVAL_MS
    },
  })
  return task
}

/** In order of name, each integration once. A certificate of another integration is not counted again. */
export async function* certificateEnds(
  store: Pick<IntegrationStore, 'list'>,
  now: () => number,
): AsyncGenerator<CertificateEnd> {
  for await (const integration of everyIntegration(store)) {
    const end = endOf(integration, now())
    if (end) yield end
  }
}

function endOf({ name, credentials }: Integration, now: number): CertificateEnd | undefined {
  const active = activeOf(credentials)
  if (!active?.certificate) return undefined
  const { notAfter } = active.certificate
  return {
    integration: name,
    credential: active.id,
    notAfter,
    secondsToExpiry: Math.floor((notAfter - now) / 1000),
  }
}
