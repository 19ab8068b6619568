import { Type } from 'typebox'
import type { SnakeKeys } from '../http/server/casing.ts'
import { clientCredentials } from './client-credentials.ts'
import { dataCloud } from './data-cloud.ts'
import type { Grant, GrantSettings } from './grant.ts'
import { jwtBearer } from './jwt-bearer.ts'
import { refreshToken } from './refresh-token.ts'
import { tokenExchange } from './token-exchange.ts'

/** All supported grants. To add one, write its file and list it here. */
export const GRANTS = [
  jwtBearer,
  clientCredentials,
  refreshToken,
  tokenExchange,
  dataCloud,
] as const

type SettingsOf<G> = G extends Grant<infer Settings> ? Settings : never

/** The settings of any grant, discriminated by `type`. */
export type AnyGrantSettings = SettingsOf<(typeof GRANTS)[number]>

export type GrantType = AnyGrantSettings['type']

/** The wire form of the `grant` member of an integration, discriminated by `type`. */
export const GrantSchema = Type.Unsafe<SnakeKeys<AnyGrantSettings>>({
  type: 'object',
  required: ['type'],
  discriminator: { propertyName: 'type' },
  oneOf: GRANTS.map((grant) => grant.schema),
  description: 'How the integration gets tokens.',
})

const BY_TYPE: ReadonlyMap<string, Grant> = new Map(GRANTS.map((grant) => [grant.type, grant]))

/** Throws if no grant has the type: types come from validated settings. */
export function grantOf(type: string): Grant<GrantSettings> {
  const grant = BY_TYPE.get(type)
  if (grant === undefined) throw new Error(`no grant has the type ${JSON.stringify(type)}`)
  return grant
}
