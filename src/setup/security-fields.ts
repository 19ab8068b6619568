/** The fields of an app's section on security. Pure. */
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
      ...(recipe.actsAs === 'run_as_user' && { why: 'It breaks this grant' }),
    },
    {
      section,
      field: 'Issue JSON Web Token (JWT)-based access tokens for named users',
      value: OFF,
      why: 'Such tokens are refused by SOAP and some other APIs',
    },
    {
      section,
      field: 'Require DPoP',
      value: OFF,
      why: 'Tokens are handed out as Bearer; one that is bound to a key would serve nobody',
    },
    ...(assertsClient
      ? [
          {
            section,
            field: 'Client Assertion Certificate',
            value: 'the file of the step before, too',
            why: "Where the form has it, since Summer '26: with private_key_jwt, it proves the client",
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
      why: 'A stolen refresh token is noticed; the broker uses each of them once',
    },
    {
      section,
      field: 'Limit the idle refresh token TTL (30 days)',
      value: endsWhenIdle(days) ? ON : OFF,
      why: endsWhenIdle(days)
        ? `The broker uses the token often enough: refresh_token_idle_days is ${days}`
        : 'Only with a refresh_token_idle_days of 30 or less does the broker use the token often enough',
    },
    {
      section,
      field: 'Enforce Refresh Token IP Allowlist',
      value: isKnown ? ON : OFF,
      why: isKnown
        ? 'A stolen refresh token is of no use elsewhere; the user who approves the app is not held to it'
        : 'Set VALETKEY_EGRESS_ADDRESSES to the addresses from which this service calls, and read this sheet again',
    },
    ...ranges.map(({ first, last }) => ({
      section,
      field: 'Refresh Token IP Allowlist',
      value: `${first} to ${last}`,
    })),
  ]
}
