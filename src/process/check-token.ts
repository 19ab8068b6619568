/** The command `valetkey check-token` makes a REST call with a token of the broker and explains a refusal. It does not print the token. */
import { parseArgs } from 'node:util'
import type { Environment } from '../config/config.ts'
import { ConfigError } from '../config/config-error.ts'
import { Secret } from '../crypto/secret.ts'
import { type RestSight, sightOf } from '../grants/org-api/rest-sight.ts'
import { within } from '../runtime/timeout.ts'
import { commandSalesforce } from './command-salesforce.ts'

export interface CheckTokenOptions {
  readonly stdout: { write(text: string): unknown }
}

/** The broker refused or cannot be reached. */
export class BrokerRefusal extends Error {
  override readonly name = 'BrokerRefusal'
}

const CALL_MS = 30_000
const PROBE_MS = 10_000

interface Served {
  readonly access_token: string
  readonly token_id: string
  readonly instance_url: string
}

interface Checked {
  readonly difference: string
  readonly detail: string
  readonly remedy: string | null
  readonly here: { readonly status: number | null; error_code: string; message: string }
}

/** True: the token works from this machine. Throws `ConfigError`, `BrokerRefusal`, and errors of `parseArgs`. */
export async function runCheckToken(
  args: readonly string[],
  env: Environment,
  { stdout }: CheckTokenOptions,
): Promise<boolean> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, at: { type: 'string' } },
  })
  const [name, ...more] = positionals
  if (name === undefined || more.length > 0) {
    throw Object.assign(new Error('check-token requires the name of one integration'), {
      code: 'ERR_PARSE_ARGS_NO_NAME',
    })
  }
  const broker = brokerIn(env)
  const salesforce = commandSalesforce(env, Date.now)
  try {
    const path = `/tokens/${encodeURIComponent(name)}`
    const served = await broker<Served>('GET', path)
    const instanceUrl = values.at ?? served.instance_url
    const accessToken = new Secret(served.access_token)
    const probe = (signal: AbortSignal) =>
      salesforce.endpoint.probe({ instanceUrl, accessToken, signal })
    const there = await sightOf(within(PROBE_MS, probe))
    const { status, errorCode: error_code, message } = there
    const host = new URL(instanceUrl).host
    const seen = { ...{ status, error_code, message, host }, token_id: served.token_id }
    const { difference, detail, remedy, here } = await broker<Checked>('POST', `${path}/check`, {
      seen,
    })
    if (values.json) {
      const { token_id, instance_url } = served
      const result = {
        integration: name,
        ...{ difference, detail, remedy, token_id, instance_url },
      }
      stdout.write(`${JSON.stringify({ ...result, there: seen, here })}\n`)
    } else {
      const broker = { status: here.status, errorCode: here.error_code, message: here.message }
      stdout.write(
        [
          `${name} at ${host}`,
          `  from here          ${sightText(there)}`,
          `  from the broker    ${sightText(broker)}`,
          `  ${difference}: ${detail}`,
          ...(remedy === null ? [] : [`  → ${remedy}`]),
          '',
        ]
          .map(printable)
          .join('\n'),
      )
    }
    return difference === 'none'
  } finally {
    await salesforce.outbound.close()
  }
}

function sightText({ status, errorCode, message }: RestSight): string {
  const words = [errorCode, message].filter((one) => one !== '').join(': ')
  return [status === null ? 'no answer' : String(status), words].filter(Boolean).join(' ')
}

/** Removes control characters from foreign texts. */
const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')

type Ask = <Answer>(method: 'GET' | 'POST', path: string, body?: object) => Promise<Answer>

/** A client of the broker with the API key of the caller. */
function brokerIn({ VALETKEY_URL: url, VALETKEY_KEY: key }: Environment): Ask {
  const mistakes = [
    ...(url !== undefined && /^https?:\/\//.test(url) && URL.canParse(url)
      ? []
      : ['VALETKEY_URL: must be the URL of the broker']),
    ...(key === undefined || key === '' ? ['VALETKEY_KEY: must be the API key of the caller'] : []),
  ]
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return async (method, path, body) => {
    const response = await fetch(`${url?.replace(/\/+$/, '')}${path}`, {
      method,
      redirect: 'error',
      signal: AbortSignal.timeout(CALL_MS),
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${key}`,
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
    }).catch((cause: unknown) => {
      throw new BrokerRefusal('the broker cannot be reached at VALETKEY_URL', { cause })
    })
    const answer: unknown = await response.json().catch((cause: unknown) => {
      throw new BrokerRefusal(`the broker answered ${response.status} without JSON`, { cause })
    })
    if (response.ok) return answer as never
    const { code, detail, remedy } = Object(answer) as Readonly<Record<string, unknown>>
    const words = [code, detail, remedy].filter((one) => typeof one === 'string').join(': ')
    throw new BrokerRefusal(printable(`the broker answered ${response.status} ${words}`))
  }
}
