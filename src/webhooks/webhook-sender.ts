/** One attempt to deliver an event: signed by Standard Webhooks, sent once, and delivered if the answer is 2xx. */
import { Webhook } from 'standardwebhooks'
import type { Secret } from '../crypto/secret.ts'
import type { Hop } from '../http/outbound/hop.ts'
import type { Outbound } from '../http/outbound/outbound.ts'
import { payloadOf, type WebhookEvent } from './webhook-event.ts'

export interface SendFailure {
  /** `status 500`, or why there was no answer. Never the URL, which may contain a secret. */
  readonly why: string
  /** Present if there was no answer. */
  readonly hop?: Hop
  /** The pause that the receiver requested. */
  readonly retryAfterMs: number | undefined
}

export type WebhookSender = ReturnType<typeof createWebhookSender>

/** Longest pause that a receiver may request. */
const RETRY_AFTER_MAX_SECONDS = 3_600

export function createWebhookSender(dependencies: {
  readonly url: Secret
  /** One secret, or two while the receiver changes its secret. The event is signed with each. */
  readonly secrets: readonly Secret[]
  readonly outbound: Pick<Outbound, 'send'>
  readonly now: () => number
}) {
  const { url, secrets, outbound, now } = dependencies
  const signers = secrets.map((secret) => new Webhook(secret.reveal()))

  return {
    /** Undefined: it was delivered. Never rejects. The signal ends it early, as a failure. */
    async send(event: WebhookEvent, signal: AbortSignal): Promise<SendFailure | undefined> {
      const body = payloadOf(event)
      const at = new Date(now())
      const outcome = await outbound.send({
        url: url.reveal(),
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'valetkey',
          'webhook-id': event.id,
          'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
          'webhook-signature': signers.map((one) => one.sign(event.id, at, body)).join(' '),
        },
        body,
        signal,
        repeatable: true,
      })
      if (!outcome.ok) {
        const { reason, hop } = outcome
        return { why: reason, retryAfterMs: undefined, ...(hop && { hop }) }
      }
      const { status, headers } = outcome
      if (status >= 200 && status < 300) return undefined
      return { why: `status ${status}`, retryAfterMs: retryAfterMs(headers['retry-after']) }
    },
  }
}

function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = /^[0-9]{1,6}$/.test(header ?? '') ? Number(header) : undefined
  return seconds === undefined ? undefined : Math.min(seconds, RETRY_AFTER_MAX_SECONDS) * 1000
}
