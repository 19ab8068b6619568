import { BrokerError } from '../errors.ts'

/** What of an error of ioredis may be told: never its message or its `command`, which hold the values that were being written. */
export interface RedisTrouble {
  readonly name: string
  /** Redis's error code (`OOM`, `READONLY`, …), Node's (`ECONNREFUSED`, …), or `TIMEOUT`, `OFFLINE`, `CLOSED`, `SENTINELS`, `UNKNOWN`. */
  readonly code: string
}

/** ioredis has no codes for its own errors, only these texts. */
const OWN_CODES: readonly (readonly [RegExp, string])[] = [
  [/sentinels are unreachable/i, 'SENTINELS'],
  [/timed? ?out/i, 'TIMEOUT'],
  [/isn't (?:writeable|ready)/, 'OFFLINE'],
  [
    /closed|ended|aborted|max retries|ClusterAllFailed|slots cache|None of startup nodes/i,
    'CLOSED',
  ],
]

/** Pure: what an error of ioredis says that may be told. */
export function redisTrouble(error: unknown): RedisTrouble {
  if (!(error instanceof Error)) return { name: 'Error', code: 'UNKNOWN' }
  const name = /^[A-Za-z]{1,64}$/.test(error.name) ? error.name : 'Error'
  if ('code' in error && typeof error.code === 'string' && /^[A-Z0-9_]{1,64}$/.test(error.code)) {
    return { name, code: error.code }
  }
  const replied =
    name === 'ReplyError' ? /^-?([A-Z]{2,32})(?: |$)/.exec(error.message)?.[1] : undefined
  const code =
    replied ?? OWN_CODES.find(([text]) => text.test(error.message) || text.test(name))?.[1]
  return { name, code: code ?? 'UNKNOWN' }
}

/** `store_unavailable` for whatever ioredis threw. `operation` is a name of ours. */
export function storeUnavailable(operation: string, error: unknown): BrokerError {
  const { name, code } = redisTrouble(error)
  const cause = Object.assign(new Error(`${name} ${code} in ${operation}`), { code })
  return new BrokerError('store_unavailable', 'Redis does not answer as it should', {
    cause,
    retryAfterMs: 1_000,
  })
}
