/** The fields of the security section of an app. */
import type { Blueprint } from './blueprint.ts'
import { endsWhenIdle } from './components.ts'
import type { Field } from './step.ts'

const section = 'Security'
const ON = 'on'
const OFF = 'off'

export function securityFields(blueprint: Blueprint): readonly Field[] {
  const { recipe, provesBy, assertsClient } = blueprint
  const isApproved = recipe.actsAs === 'approving_user'
  return [
    {
      section,
      field: 'Require Proof Key for Code Exchange (PKCE)',
      value: isApproved ? ON : OFF,
      ...(recipe.actsAs === 'run_as_user' && { why: 'This grant does not support it' }),
    },
    {
      section,
      field: 'Issue JSON Web Token (JWT)-based access tokens for named users',
      value: OFF,
      why: 'SOAP and some other APIs refuse such tokens',
    },
    {
      section,
      field: 'Require DPoP',
      value: OFF,
      why: 'Tokens that are bound to a key are experimental: the key is requested with `dpop` of the integration, and this field comes last',
    },
    ...(assertsClient
      ? [
          {
            section,
            field: 'Client Assertion Certificate',
            value: 'the file of the previous step',
            why: "If the form has it (since Summer '26): it authenticates the client with private_key_jwt",
          },
        ]
      : []),
    ...(isApproved ? refreshTokenFields(blueprint) : [NO_ROTATION]),
    ...(provesBy === 'certificate'
      ? []
      : [{ section, field: 'Require secret for Refresh Token Flow', value: ON }]),
  ]
}

const ROTATION = 'Enable Refresh Token Rotation'

const NO_ROTATION: Field = {
  section,
  field: ROTATION,
  value: OFF,
  why: 'This grant gets no refresh token',
}

function refreshTokenFields(blueprint: Blueprint): readonly Field[] {
  const { refreshTokenIdleDays: days, refreshTokenAddresses: ranges } = blueprint
  const isKnown = ranges.length > 0
  return [
    {
      section,
      field: ROTATION,
      value: ON,
      why: 'It reveals a stolen refresh token; the broker uses each refresh token once',
    },
    {
      section,
      field: 'Limit the idle refresh token TTL (30 days)',
      value: endsWhenIdle(days) ? ON : OFF,
      why: endsWhenIdle(days)
        ? `The broker uses the token often enough: refresh_token_idle_days is ${days}`
        : 'The broker uses the token often enough only if refresh_token_idle_days is 30 or less',
    },
    {
      section,
      field: 'Enforce Refresh Token IP Allowlist',
      value: isKnown ? ON : OFF,
      why: isKnown
        ? 'A stolen refresh token is then useless elsewhere; the list does not restrict the user who approves the app'
        : 'Set VALETKEY_EGRESS_ADDRESSES to the addresses from which this service calls, and read this sheet again',
    },
    ...ranges.map(({ first, last }) => ({
      section,
      field: 'Refresh Token IP Allowlist',
      value: `${first} to ${last}`,
    })),
  ]
}
