/** What each connection to a server goes through before it may be used. */
import type { Redis } from 'ioredis'
import { withFairTimeouts } from './timeouts.ts'

export interface HandshakeRules {
  readonly database: number
  /** Whether the server must be the one that takes changes. */
  readonly mustBePrimary: boolean
  /** What the server said before the connection was ready, which ioredis may not pass on. */
  readonly onTrouble: (error: unknown, command: string) => void
  /** What it refused later. */
  readonly onRefusal?: (error: Error) => void
}

/** With the code under which `redis-cause.ts` knows it. */
const refusal = (code: string, message: string) =>
  Object.assign(new Error(message), { name: 'ReplyError', code })

/** A server that serves whoever comes says so in the place of a password. */
const NEEDS_NO_PASSWORD = /no password is set|without any password configured/
/** To a client that may not stay, whatever it asked. */
const SHOWN_OUT = /^(?:ERR max number of clients|DENIED)/
/** INFO and CLIENT are no commands that everybody may run. */
const NOT_FOR_US = /^(?:NOPERM|ERR unknown (?:sub)?command)/i

/**
 * ioredis goes on where SELECT failed, in database 0; needs INFO, and says in a line of its own on
 * stderr where it may not run it; and drops what CLIENT is answered, which may be why the server
 * hangs up. Its check is private, and this is in its place.
 */
export function withHandshake(client: Redis, rules: HandshakeRules): Redis {
  if (typeof Reflect.get(client, '_readyCheck') !== 'function') {
    throw new TypeError('ioredis is not as it was')
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
  /** It came before the connection was ready. */
  readonly isHandshake: boolean
}

/** Each refusal that the server answers, and nothing of it on stderr. Every client that we open goes through here. */
export function overhear(
  client: Redis,
  onRefusal: (error: Error, command: Overheard) => void,
): void {
  withFairTimeouts(client)
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
  // It is left with the first change that it refuses: until then it may become the primary.
  if (mustBePrimary && role === 'slave') onTrouble(refusal('READONLY', 'READONLY'), 'info')
  return role === undefined ? {} : { role }
}

/** SELECT said yes, which a proxy may do that knows nothing of databases. */
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
