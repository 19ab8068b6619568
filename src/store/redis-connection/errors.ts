import { BrokerError } from '../../errors/errors.ts'
import { anchorOf, CAUSES, causeOf, type RedisCause, type ServerKind } from './cause.ts'

/** What each of the connections is for. */
export type ConnectionRole = 'commands' | 'changes' | 'durable'

/** A server as the one that runs it knows it: `host:port`, or the path of a socket. */
export interface RedisPlace {
  readonly kind: ServerKind
  readonly host: string
  /** Absent: `host` is the path of a unix socket. */
  readonly port?: number
}

/** What of an error of ioredis may be told: never its message or its `command`, which hold the values that were being written. */
export interface RedisTrouble {
  readonly name: string
  /** Redis's error code (`OOM`, `READONLY`, …), Node's (`ECONNREFUSED`, …), or `TIMEOUT`, `OFFLINE`, `CLOSED`, `UNKNOWN`. */
  readonly code: string
  readonly cause: RedisCause
  readonly place: RedisPlace
  /** Redis's name of the command, or that of our script. */
  readonly command?: string
}

/** ioredis has no codes for its own errors, only these texts. */
const OWN_CODES: readonly (readonly [RegExp, string])[] = [
  [/timed? ?out/i, 'TIMEOUT'],
  [/isn't (?:writeable|ready)/, 'OFFLINE'],
  [
    /closed|ended|aborted|max retries|ClusterAllFailed|slots cache|None of startup nodes|Too many Cluster redirections|sentinels are unreachable|is discarded/i,
    'CLOSED',
  ],
]

/** As Redis quotes a command in its refusals; nothing else of them is repeated. */
const REFUSED_COMMAND = /(?:unknown command|to run the) ['`]([A-Za-z|_-]{1,40})['`]/

/** The name and the code of an error, and nothing else of it. */
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

/** Pure: what an error of ioredis says that may be told. `command` is a name of ours, where the error has none. */
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

/** Of the command that ioredis hangs on its errors, the name alone. */
function commandOf(error: unknown): string | undefined {
  const command: unknown = error instanceof Error ? Reflect.get(error, 'command') : undefined
  const name: unknown =
    typeof command === 'object' && command !== null ? Reflect.get(command, 'name') : undefined
  // Its scripts go by their digest, which says nothing.
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

/** What is the matter, where, and by which command it was noticed. */
export function troubleText({ cause, code, command, place }: RedisTrouble): string {
  const found = command === undefined ? code : `${code}, ${command}`
  return `${KINDS[place.kind]} ${placeText(place)}: ${CAUSES[cause].says} (${found})`
}

/** What to do about it: addresses that a Cluster or a Sentinel names are not in the settings. */
export function redisRemedyOf({ cause, place }: RedisTrouble): string {
  const { remedy } = CAUSES[cause]
  const isAddress = ['host_unknown', 'refused', 'unreachable', 'no_answer'].includes(cause)
  if (place.kind !== 'node' || !isAddress) return remedy
  return 'The Cluster or the Sentinels announce this address: start that node, let it announce one that leads there from here, or translate it with VALETKEY_REDIS_NAT_MAP.'
}

/** In one line for `/readyz`: what, what to do, and where more is said. */
export const troubleLine = (trouble: RedisTrouble): string =>
  `${troubleText(trouble)}. ${redisRemedyOf(trouble)} See ${anchorOf(trouble.cause)}`

/** `store_unavailable` for what failed by this trouble, of which the log has been told. */
export function storeUnavailable(operation: string, trouble: RedisTrouble): BrokerError {
  const cause = Object.assign(new Error(`${troubleText(trouble)} in ${operation}`), {
    code: trouble.code,
  })
  return new BrokerError('store_unavailable', 'Redis does not answer as it should', {
    cause,
    retryAfterMs: 1_000,
    isTold: true,
  })
}

/** What was read of one record; throws `record_corrupt` where something else lies in its place: the store is well. */
export async function ofRecord<Reply>(name: string, reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply
  } catch (error) {
    const cause = error instanceof BrokerError ? error.cause : undefined
    const isOther = cause instanceof Error && 'code' in cause && cause.code === 'WRONGTYPE'
    if (!isOther) throw error
    throw new BrokerError('record_corrupt', `The record ${name} is none`, { cause: error })
  }
}
