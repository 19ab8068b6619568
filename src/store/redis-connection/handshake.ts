/** Checks each connection before its first use. */
import type { Redis } from 'ioredis'
import { withGatheredWrites } from './gathered-writes.ts'
import { withFairTimeouts } from './timeouts.ts'

interface HandshakeRules {
  readonly database: number
  readonly mustBePrimary: boolean
  /** Receives errors before the connection is ready, which ioredis may hide. */
  readonly onTrouble: (error: unknown, command: string) => void
  /** Receives later refusals. */
  readonly onRefusal?: (error: Error) => void
}

/** With a code that `cause.ts` knows. */
const refusal = (code: string, message: string) =>
  Object.assign(new Error(message), { name: 'ReplyError', code })

/** Answers of a server without a password to AUTH. */
const NEEDS_NO_PASSWORD = /no password is set|without any password configured/
/** Answers to a client that must disconnect. */
const SHOWN_OUT = /^(?:ERR max number of clients|DENIED)/
/** Not every user may run INFO and CLIENT. */
const NOT_FOR_US = /^(?:NOPERM|ERR unknown (?:sub)?command)/i

/**
 * Replaces ioredis's private ready check. ioredis ignores a failed SELECT and uses database 0,
 * requires INFO and writes to stderr without it, and ignores errors of CLIENT, which may explain a
 * disconnect.
 */
export function withHandshake(client: Redis, rules: HandshakeRules): Redis {
  if (typeof Reflect.get(client, '_readyCheck') !== 'function') {
    throw new TypeError('ioredis has changed its internals')
  }
  let unselected: unknown
  overhear(client, (error, { name, isHandshake }) => {
    if (!isHandshake) rules.onRefusal?.(error)
    else if (name === 'select') unselected = error
    if (isHandshake) rules.onTrouble(error, name)
  })
  Reflect.set(client, '_readyCheck', (done: (error: unknown, info?: object) => void) => {
    checked(client, rules, () => unselected).then((info) => done(null, info), done)
  })
  return client
}

interface Overheard {
  readonly name: string
  /** Received before the connection was ready. */
  readonly isHandshake: boolean
}

/** Passes on each refusal and keeps ioredis from writing to stderr. Must be called for every client. */
export function overhear(
  client: Redis,
  onRefusal: (error: Error, command: Overheard) => void,
): void {
  withFairTimeouts(client)
  withGatheredWrites(client)
  const send = client.sendCommand.bind(client)
  client.sendCommand = (command, stream) => {
    const { name } = command
    const isHandshake = client.status === 'connect'
    const sent = send(command, stream)
    command.promise.catch((error: unknown) => {
      if (!(error instanceof Error) || error.name !== 'ReplyError') return
      const isDispensable = isHandshake && (name === 'client' || name === 'info')
      if (!isDispensable || SHOWN_OUT.test(error.message)) onRefusal(error, { name, isHandshake })
    })
    return sent
  }
  const { auth } = client
  Reflect.set(client, 'auth', async (...args: unknown[]) => {
    try {
      return await Reflect.apply(auth, client, args)
    } catch (error) {
      if (NEEDS_NO_PASSWORD.test(messageOf(error))) return 'OK'
      throw error
    }
  })
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : '')

async function checked(
  client: Redis,
  { database, mustBePrimary, onTrouble }: HandshakeRules,
  unselected: () => unknown,
): Promise<object> {
  if (unselected() !== undefined) throw unselected()
  if (database !== 0) await checkDatabase(client, database)
  const info = await orNothing(client.info())
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1]
  if (field('loading') === '1') throw refusal('LOADING', 'LOADING')
  if ((field('redis_mode') ?? field('server_mode')) === 'sentinel') {
    throw refusal('SENTINEL', 'SENTINEL')
  }
  const role = field('role')
  // Not disconnected before the first refused change, because it may become the primary.
  if (mustBePrimary && role === 'slave') onTrouble(refusal('READONLY', 'READONLY'), 'info')
  return role === undefined ? {} : { role }
}

/** Verifies the database, because a proxy may accept SELECT without effect. */
async function checkDatabase(client: Redis, database: number): Promise<void> {
  const found = /(?:^| )db=(\d+)/.exec(await orNothing(client.client('INFO')))?.[1]
  if (found !== undefined && Number(found) !== database) throw refusal('DATABASE', 'DB index')
}

async function orNothing(asked: Promise<unknown>): Promise<string> {
  try {
    return String(await asked)
  } catch (error) {
    if (NOT_FOR_US.test(messageOf(error))) return ''
    throw error
  }
}
