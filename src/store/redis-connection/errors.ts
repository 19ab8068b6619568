import { BrokerError } from '../../errors/errors.ts'
import { anchorOf, CAUSES, causeOf, type RedisCause, type ServerKind } from './cause.ts'

export type ConnectionRole = 'commands' | 'changes' | 'waits' | 'durable'

/** A server: `host:port`, or the path of a socket. */
export interface RedisPlace {
  readonly kind: ServerKind
  readonly host: string
  /** Absent: `host` is the path of a unix socket. */
  readonly port?: number
}

/** The parts of an ioredis error without secrets. Excludes its message and `command`, which contain written values. */
export interface RedisTrouble {
  readonly name: string
  /** Error code of Redis (`OOM`, `READONLY`, …) or Node (`ECONNREFUSED`, …), or `TIMEOUT`, `OFFLINE`, `CLOSED`, `UNKNOWN`. */
  readonly code: string
  readonly cause: RedisCause
  readonly place: RedisPlace
  /** Name of the Redis command or of our script. */
  readonly command?: string
}

/** Texts of ioredis's own errors, which have no codes. */
const OWN_CODES: readonly (readonly [RegExp, string])[] = [
  [/timed? ?out/i, 'TIMEOUT'],
  [/isn't (?:writeable|ready)/, 'OFFLINE'],
  [
    /closed|ended|aborted|max retries|ClusterAllFailed|slots cache|None of startup nodes|Too many Cluster redirections|sentinels are unreachable|is discarded/i,
    'CLOSED',
  ],
]

/** The quoted command in a refusal; no other part is repeated. */
const REFUSED_COMMAND = /(?:unknown command|to run the) ['`]([A-Za-z|_-]{1,40})['`]/

/** Only the name and the code of an error. */
export function codeOf(error: unknown): { readonly name: string; readonly code: string } {
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

/** Converts an ioredis error. `command` is our own name, if the error has none. */
export function redisTrouble(error: unknown, place: RedisPlace, command?: string): RedisTrouble {
  const { name, code } = codeOf(error)
  const text = error instanceof Error ? error.message : ''
  const named = REFUSED_COMMAND.exec(text)?.[1]?.toLowerCase() ?? commandOf(error) ?? command
  return {
    name: place.kind === 'sentinel' ? 'Sentinel' : name,
    code,
    cause: causeOf({ code, text, kind: place.kind, command: named }),
    place,
    ...(named !== undefined && { command: named }),
  }
}

/** The name of the command that ioredis attaches to errors. */
function commandOf(error: unknown): string | undefined {
  const command: unknown = error instanceof Error ? Reflect.get(error, 'command') : undefined
  const name: unknown =
    typeof command === 'object' && command !== null ? Reflect.get(command, 'name') : undefined
  // Scripts are sent by digest, which is not a useful name.
  const isName = typeof name === 'string' && /^[A-Za-z]{1,40}$/.test(name) && name !== 'evalsha'
  return isName ? name.toLowerCase() : undefined
}

const KINDS: Readonly<Record<ServerKind, string>> = {
  server: 'Redis at',
  seed: 'Redis Cluster at',
  node: 'the Redis node at',
  sentinel: 'the Sentinel at',
}

export const placeText = ({ host, port }: RedisPlace): string =>
  port === undefined ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`

/** Describes the failure, the server and the command. */
export function troubleText({ cause, code, command, place }: RedisTrouble): string {
  const found = command === undefined ? code : `${code}, ${command}`
  return `${KINDS[place.kind]} ${placeText(place)}: ${CAUSES[cause].says} (${found})`
}

/** The remedy. Addresses from a Cluster or Sentinel have another one, because they are not in the settings. */
export function redisRemedyOf({ cause, place }: RedisTrouble): string {
  const { remedy } = CAUSES[cause]
  const isAddress = ['host_unknown', 'refused', 'unreachable', 'no_answer'].includes(cause)
  if (place.kind !== 'node' || !isAddress) return remedy
  return 'The Cluster or the Sentinels announce this address: start that node, let it announce an address that is reachable from this service, or translate it with VALETKEY_REDIS_NAT_MAP.'
}

/** One line for `/readyz`: the failure, its remedy, and where it is explained. */
export const troubleLine = (trouble: RedisTrouble): string =>
  `${troubleText(trouble)}. ${redisRemedyOf(trouble)} See ${anchorOf(trouble.cause)}`

/** Creates `store_unavailable` for a failure that was already logged. */
export function storeUnavailable(operation: string, trouble: RedisTrouble): BrokerError {
  const cause = Object.assign(new Error(`${troubleText(trouble)} in ${operation}`), {
    code: trouble.code,
  })
  return new BrokerError('store_unavailable', 'Redis does not answer correctly', {
    cause,
    retryAfterMs: 1_000,
    isTold: true,
  })
}

/** Waits for the reply about one record. Throws `record_corrupt` if the key has another type: the store itself works. */
export async function ofRecord<Reply>(name: string, reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply
  } catch (error) {
    const cause = error instanceof BrokerError ? error.cause : undefined
    const isOther = cause instanceof Error && 'code' in cause && cause.code === 'WRONGTYPE'
    if (!isOther) throw error
    throw new BrokerError('record_corrupt', `The record ${name} has another type`, { cause: error })
  }
}
