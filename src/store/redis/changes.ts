import { randomUUID } from 'node:crypto'
import { tokenId as checkTokenId, integrationName, type Keys, text } from '../keys.ts'
import { type AnnouncedChange, CHANGES_PER_READ, type LookVerdict, type Pulse } from '../records.ts'
import type { RedisConnection } from '../redis-connection/connection.ts'
import type { Change, Changes, Store } from '../store.ts'
import type { Script } from './calls.ts'
import { DUE_MARKS } from './due.ts'
import { LISTING } from './listing/marks.ts'
import { ANNOUNCE, toArray, toNumber, toText } from './script.ts'

/** Before all entries. */
const NO_ENTRY = '0-0'

/** Longest blocking read. Shorter than five seconds, after which some proxies close a connection without traffic. */
const WAIT_MAX_MS = 4_000

/** Invariant: a store has an id from its first use, and a new id after its content is lost. */
export const IDENTIFY = `
local function identify(meta, candidate)
  redis.call('HSETNX', meta, 'id', candidate)
  local fields = redis.call('HMGET', meta, 'id', 'seq')
  return fields[1], tonumber(fields[2] or '0')
end
`

const IDENTITY: Script = {
  name: 'vkIdentity',
  lua: `${IDENTIFY}
local id, seq = identify(KEYS[1], ARGV[1])
return {id, seq}`,
}

const NEWEST = `
local function newest(changes)
  local entry = redis.call('XREVRANGE', changes, '+', '-', 'COUNT', 1)[1]
  return entry and entry[1] or '${NO_ENTRY}'
end
`

const TAIL: Script = {
  name: 'vkChangesTail',
  lua: `${IDENTIFY}${NEWEST}
local id, seq = identify(KEYS[2], ARGV[1])
return {id, seq, newest(KEYS[1])}`,
}

/**
 * Invariant: the answer contains exactly the entries after the cursor, or a gap. Another id or a
 * lower count than in the cursor is a gap; so is a first entry that is not the successor, and an
 * empty stream with a higher count. So is a stream without the entry of the cursor: after a failover
 * that lost changes, another history may have reached the same count.
 */
const READ: Script = {
  name: 'vkChangesRead',
  lua: `${IDENTIFY}${NEWEST}
local changes, meta = KEYS[1], KEYS[2]
local cursor_id, cursor_seq, position = ARGV[2], tonumber(ARGV[3]), ARGV[4]
local id, seq = identify(meta, ARGV[1])
local entries = redis.call('XRANGE', changes, position, '+', 'COUNT', ${CHANGES_PER_READ} + 1)
local has_entry = position == '${NO_ENTRY}'
if entries[1] and entries[1][1] == position then
  has_entry = true
  table.remove(entries, 1)
end
local first = entries[1] and tonumber(entries[1][2][2]) or seq + 1
if id ~= cursor_id or seq < cursor_seq or not has_entry or first ~= cursor_seq + 1 then
  return {1, id, seq, newest(changes), {}}
end
local last = entries[#entries]
return {0, id, last and tonumber(last[2][2]) or cursor_seq, last and last[1] or position, entries}`,
}

const TELL: Script = {
  name: 'vkChangesTell',
  lua: `${ANNOUNCE}
announce(KEYS[2], KEYS[1], unpack(ARGV))
return 1`,
}

/** A position: store id, count and entry of the stream. */
interface Position {
  readonly id: string
  readonly seq: number
  readonly entry: string
}

const CURSOR = /^([^/]+)\/(\d+)\/(\d+-\d+)$/
const NOWHERE: Position = { id: '', seq: 0, entry: NO_ENTRY }

export function createRedisIdentity(
  redis: Pick<RedisConnection, 'run'>,
  keys: Keys,
): Store['identity'] {
  return async () => {
    const [id, seq] = toArray(await redis.run(IDENTITY, [keys.meta], [randomUUID()]))
    return { id: toText(id), seq: toNumber(seq) }
  }
}

/** What other scripts keep in the hash, so that one HMGET tells whether it changed. */
const PULSE = [
  'id',
  'seq',
  DUE_MARKS,
  LISTING.marks,
  LISTING.seq,
  LISTING.build,
  'run',
  'known_run',
  'noted',
  'branch',
  'doubt',
  'doubt_point',
]

interface ChangesConnections {
  /** Reads. A separate one, so that it tells of the store while commands fail or take long. */
  readonly changes: Pick<RedisConnection, 'run' | 'call'>
  /** Waits, which block it. */
  readonly waits: Pick<RedisConnection, 'call'>
  readonly commands: Pick<RedisConnection, 'run'>
}

export function createRedisChanges(
  { changes: redis, waits, commands }: ChangesConnections,
  keys: Keys,
): Changes {
  const places = [keys.changes, keys.meta]
  return {
    async tail() {
      const [id, seq, entry] = toArray(await redis.run(TAIL, places, [randomUUID()]))
      return formatCursor({ id: toText(id), seq: toNumber(seq), entry: toText(entry) })
    },

    async pulse(isProof) {
      // Both leave in one write. The first one changes nothing where the store has an id.
      const proof = isProof ? redis.call('hsetnx', keys.meta, 'id', randomUUID()) : undefined
      const [reply] = await Promise.all([redis.call('hmget', keys.meta, ...PULSE), proof])
      const [id, seq, marks, stale, known, build, ...age] = toArray(reply)
      const count = seq === null ? 0 : toNumber(seq)
      return {
        ...{ id: id === null ? '' : toText(id), seq: count },
        // A save announces itself, a mark does not.
        ...{ due: `${count}/${marks}`, age: JSON.stringify(age) },
        listing: `${stale}/${known === seq}/${build !== null}`,
      } satisfies Pulse
    },

    async wait(cursor, waitMs) {
      const ms = Math.min(Math.max(1, Math.floor(waitMs)), WAIT_MAX_MS)
      const { entry } = parseCursor(cursor)
      const stream = ['STREAMS', keys.changes, entry]
      return (await waits.call('xread', 'COUNT', 1, 'BLOCK', ms, ...stream)) !== null
    },

    async read(cursor) {
      const { id, seq, entry } = parseCursor(cursor)
      const reply = await redis.run(READ, places, [randomUUID(), id, seq, entry])
      const [gap, newId, newSeq, newEntry, entries] = toArray(reply)
      const changes = toArray(entries).map((item) => changeIn(toArray(item)[1]))
      return {
        entries: changes.flatMap((one) => one ?? []),
        cursor: formatCursor({
          id: toText(newId),
          seq: toNumber(newSeq),
          entry: toText(newEntry),
        }),
        gap: gap === 1 || changes.includes(null),
      }
    },

    async announce(change) {
      await commands.run(TELL, places, fieldsOf(change))
    },
  }
}

function fieldsOf(change: AnnouncedChange): readonly (string | number)[] {
  const { type } = change
  if (type === 'login') {
    const { target, isResting, by } = change
    return [
      ...['type', type, 'target', text(target), 'resting', Number(isResting)],
      ...(by === undefined ? [] : ['by', text(by)]),
    ]
  }
  if (type === 'nonce') {
    const { thumbprint, host, nonce, by } = change
    const told = ['key', text(thumbprint), 'host', text(host), 'nonce', text(nonce)]
    return ['type', type, ...told, 'by', text(by)]
  }
  const ofToken = ['type', type, 'token', checkTokenId(change.tokenId)] as const
  if (type === 'look') return [...ofToken, 'verdict', change.verdict]
  const { integration, mintedAt, until, principals } = change
  return [
    ...[...ofToken, 'name', integrationName(integration), 'minted', mintedAt, 'until', until],
    ...['principals', JSON.stringify(principals)],
  ]
}

function formatCursor({ id, seq, entry }: Position): string {
  return `${id}/${seq}/${entry}`
}

/** An invalid cursor belongs to no store, which is a gap. */
function parseCursor(cursor: string): Position {
  const [, id, seq, entry] = CURSOR.exec(cursor) ?? []
  if (id === undefined || seq === undefined || entry === undefined) return NOWHERE
  return { id, seq: Number(seq), entry }
}

const verdictOf = (text: string): LookVerdict =>
  text === 'live' || text === 'dead' ? text : 'unknown'

/** Null: a known type in a form that this release cannot read. The reader goes on, and reads all again that it remembers. */
function changeIn(reply: unknown): Change | undefined | null {
  try {
    return change(reply)
  } catch {
    return null
  }
}

/** Undefined for a type of a newer release. */
function change(reply: unknown): Change | undefined {
  const fields = toArray(reply)
  const members = new Map<string, unknown>()
  for (let i = 0; i < fields.length; i += 2) members.set(toText(fields[i]), fields[i + 1])
  const member = (name: string) => toText(members.get(name))
  switch (members.get('type')) {
    case 'integration':
      return {
        ...{ type: 'integration', name: member('name'), rev: toNumber(member('rev')) },
        ...(members.has('newer') && { isNewer: true }),
      }
    case 'dead':
      return {
        ...{ type: 'dead', tokenId: member('token') },
        ...(members.has('names') && { names: member('names').split(' ').filter(Boolean) }),
      }
    case 'document':
      return {
        ...{ type: 'document', kind: member('kind'), id: member('id') },
        ...(members.has('version') && { version: toNumber(members.get('version')) }),
      }
    case 'custody':
      return { type: 'custody', name: member('name') }
    case 'login':
      return {
        ...{ type: 'login', target: member('target'), isResting: member('resting') === '1' },
        ...(members.has('by') && { by: member('by') }),
      }
    case 'look':
      return { type: 'look', tokenId: member('token'), verdict: verdictOf(member('verdict')) }
    case 'nonce':
      return {
        ...{ type: 'nonce', thumbprint: member('key'), host: member('host') },
        ...{ nonce: member('nonce'), by: member('by') },
      }
    case 'given':
      return {
        ...{ type: 'given', integration: member('name'), tokenId: member('token') },
        ...{ mintedAt: toNumber(member('minted')), until: toNumber(member('until')) },
        principals: textsIn(member('principals')),
      }
    default:
      return undefined
  }
}

/** Empty if it is no list: the reader of the changes must not stop at one entry. */
function textsIn(json: string): readonly string[] {
  try {
    const list: unknown = JSON.parse(json)
    return Array.isArray(list) ? list.filter((one) => typeof one === 'string') : []
  } catch {
    return []
  }
}
