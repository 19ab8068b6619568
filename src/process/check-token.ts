/** The command `valetkey check-token` makes a REST call with a token of the broker and explains a refusal. It does not print the token. */
import type { WhatTheCallerSaw } from '../client/api/tokens.ts'
import type { ValetkeyClient } from '../client/client.ts'
import { EXITS } from '../command/exits.ts'
import type { CommandInput } from '../command/spec.ts'
import { withoutControls } from '../command/terminal.ts'
import { Secret } from '../crypto/secret.ts'
import { type RestSight, sightOf } from '../grants/org-api/rest-sight.ts'
import { within } from '../runtime/timeout.ts'
import { commandSalesforce } from './command-salesforce.ts'

const PROBE_MS = 10_000

interface CheckOptions {
  /** The host that is called. Default: the instance URL of the token. */
  readonly at?: string
  readonly json?: boolean
}

/** Gives 0 if the token works from this machine, otherwise 1. */
export async function runCheckToken({ operands, options, env, terminal, broker }: CommandInput) {
  const { at, json = false } = options as CheckOptions
  const [name = ''] = operands
  const { client } = await broker()
  const salesforce = commandSalesforce(env, Date.now)
  try {
    const served = await client.token(name)
    const instanceUrl = at ?? served.instance_url
    const accessToken = new Secret(served.access_token)
    const probe = (signal: AbortSignal) =>
      salesforce.endpoint.probe({ instanceUrl, accessToken, signal })
    const there = await sightOf(within(PROBE_MS, probe))
    const { status, errorCode: error_code, message } = there
    const host = new URL(instanceUrl).host
    const seen = { ...{ status, error_code, message, host }, token_id: served.token_id }
    const { difference, detail, remedy, here } = await checked(client, name, seen)
    if (json) {
      const { token_id, instance_url } = served
      const result = {
        integration: name,
        ...{ difference, detail, remedy, token_id, instance_url },
      }
      terminal.print(JSON.stringify({ ...result, there: seen, here }))
    } else {
      const broker = { status: here.status, errorCode: here.error_code, message: here.message }
      terminal.print(
        [
          `${name} at ${host}`,
          `  from here          ${sightText(there)}`,
          `  from the broker    ${sightText(broker)}`,
          `  ${difference}: ${detail}`,
          ...(remedy === null ? [] : [`  → ${remedy}`]),
        ]
          .map(withoutControls)
          .join('\n'),
      )
    }
    return difference === 'none' ? EXITS.ok : EXITS.ill
  } finally {
    await salesforce.outbound.close()
  }
}

function sightText({ status, errorCode, message }: RestSight): string {
  const words = [errorCode, message].filter((one) => one !== '').join(': ')
  return [status === null ? 'no answer' : String(status), words].filter(Boolean).join(' ')
}

async function checked(
  client: ValetkeyClient,
  integration: string,
  seen: WhatTheCallerSaw['seen'],
) {
  const request = { path: { integration }, body: { seen } }
  return (await client.request('checkToken', request)).body
}
