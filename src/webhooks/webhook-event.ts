/** Events for people who do not watch metrics: which there are, and how one is written down. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import type { BodyOf } from '../store/record-body.ts'

/** To add one, add a row, and one to `docs/webhooks.md`. */
const WEBHOOK_EVENTS = {
  'certificate.expiring': 'The certificate of an active credential ends in at most `days` days',
  'integration.refused': 'Salesforce refuses it, until somebody acts',
  'integration.recovered': 'Salesforce gives it tokens again',
  'integration.identity_changed': 'A token of another org or user came, and is kept back',
  'integration.not_connected': 'Its refresh token works no more; somebody has to approve it again',
  'credential.activated': 'A credential became the active one',
} as const

export type WebhookType = keyof typeof WEBHOOK_EVENTS

/** Ids, codes, times and texts of our own tables: never a secret, never a text of Salesforce's or of a request. */
export type WebhookData = Readonly<Record<string, unknown>>

export const WebhookEvent = Type.Object({
  /** The same however often it is sent. */
  id: Type.String(),
  /** Of the table, or of that of another release: it is delivered all the same. */
  type: Type.String(),
  integration: Type.String(),
  /** When it happened. */
  at: Type.Number(),
  /** Without the integration's name, which every payload has. */
  data: Type.Unsafe<WebhookData>(Type.Object({})),
})

export type WebhookEvent = BodyOf<typeof WebhookEvent>

const ID_CHARACTERS = 24

/** Of the same parts the same id: whoever notices an event a second time cannot make another of it. */
export function eventIdOf(type: WebhookType, ...parts: readonly (string | number)[]): string {
  const digest = createHash('sha256').update(JSON.stringify([type, ...parts]))
  return `msg_${digest.digest('base64url').slice(0, ID_CHARACTERS)}`
}

/** The wire form of Standard Webhooks. */
export function payloadOf({ type, integration, at, data }: WebhookEvent): string {
  const timestamp = new Date(at).toISOString()
  return JSON.stringify({ type, timestamp, data: { integration, ...data } })
}
