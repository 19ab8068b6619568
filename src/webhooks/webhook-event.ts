/** Webhook events: their types and their wire form. They are for people who do not watch metrics. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import type { BodyOf } from '../store/record-body.ts'

/** A new type needs a row here, and one in `docs/webhooks.md`. */
const WEBHOOK_EVENTS = {
  'certificate.expiring': 'The certificate of an active credential ends in at most `days` days',
  'integration.refused': 'Salesforce refuses it, until somebody acts',
  'integration.recovered': 'Salesforce gives it tokens again',
  'integration.identity_changed': 'A token of another org or user came, and is kept back',
  'integration.not_connected': 'Its refresh token works no more; somebody has to approve it again',
  'credential.activated': 'A credential became the active one',
  'freeze.created': 'Integrations were frozen',
  'freeze.lifted': 'A freeze was lifted',
  'integration.login_loop': 'A client logs in again and again with a token that is alive',
  'caller.new': 'A caller read it for the first time in 30 days',
  'caller.new_network': 'A caller came from a network that it did not use in 30 days',
  'caller.unusual_rate': 'A caller reads far more than it did before',
  'integration.scopes_changed': 'A token has other scopes than before, or lacks expected ones',
  'integration.instance_changed': 'The org answers at another host than before',
} as const

export type WebhookType = keyof typeof WEBHOOK_EVENTS

/** Ids, codes, times and texts of this project's tables. Never contains a secret, or text of Salesforce or of a request. */
export type WebhookData = Readonly<Record<string, unknown>>

export const WebhookEvent = Type.Object({
  /** The id is the same for each attempt. */
  id: Type.String(),
  /** A type of the table, or of another release's table. It is delivered in both cases. */
  type: Type.String(),
  /** Empty: it concerns no single integration. */
  integration: Type.String(),
  /** Time of the event. */
  at: Type.Number(),
  /** Without the integration's name. */
  data: Type.Unsafe<WebhookData>(Type.Object({})),
})

export type WebhookEvent = BodyOf<typeof WebhookEvent>

const ID_CHARACTERS = 24

/** The same parts give the same id, so that an event that is noticed twice is not sent as two events. */
export function eventIdOf(type: WebhookType, ...parts: readonly (string | number)[]): string {
  const digest = createHash('sha256').update(JSON.stringify([type, ...parts]))
  return `msg_${digest.digest('base64url').slice(0, ID_CHARACTERS)}`
}

/** The wire form of Standard Webhooks. */
export function payloadOf({ type, integration, at, data }: WebhookEvent): string {
  const timestamp = new Date(at).toISOString()
  const of = integration === '' ? {} : { integration }
  return JSON.stringify({ type, timestamp, data: { ...of, ...data } })
}
