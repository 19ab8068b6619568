/** The networks from which principals fetched tokens in the last 30 days, as keyed hashes or in plain text. */
import type { IncomingHttpHeaders } from 'node:http'
import { Type } from 'typebox'
import type { Macs } from '../crypto/macs.ts'
import { subnetOf } from '../http/address.ts'
import { once } from '../runtime/once.ts'
import type { BodyOf } from '../store/record-body.ts'
import { type CallerRow, oldestDay } from './caller-days.ts'

/** A keyed hash or a network, the id of the sealing key (empty: the network itself), and the last day, in days since 1970. */
const Mark = Type.Tuple([Type.String(), Type.String(), Type.Number()])

/** Each principal, since when its networks are known, and the networks. */
export const StoredNetworks = Type.Array(
  Type.Tuple([Type.String(), Type.Number(), Type.Array(Mark)]),
)

export type StoredNetworks = BodyOf<typeof StoredNetworks>
type Mark = BodyOf<typeof Mark>

/** A network that the principal did not use in 30 days. `network` is as it is stored. */
interface NewNetwork {
  readonly principal: string
  readonly network: string
}

/** A request that a token was handed to. */
export interface CountedRequest {
  /** Takes a microsecond behind a proxy. */
  readonly ip: string
  /** The address depends on these alone. */
  readonly raw: {
    readonly socket: { readonly remoteAddress?: string | undefined }
    readonly headers: IncomingHttpHeaders
  }
}

/** Addresses of one principal since the last write. */
interface SeenAddresses {
  /** Of the last request. */
  peer: string | undefined
  forwarded: string | string[] | undefined
  readonly all: Set<string>
}

/** By principal. */
export type AddressesByCaller = Map<string, SeenAddresses>

const DAY_MS = 86_400_000
/** Of one principal between two writes. Further ones count when they come again. */
const ADDRESSES_MAX = 64
/** Of one principal. Beyond it, it is at home everywhere, and no network is new. */
export const NETWORKS_MAX = 32
/** Of all principals of an integration. Beyond it, no network is new. */
export const ALL_NETWORKS_MAX = 2_000
/** In characters of base64url: 96 bits. */
const HASH_LENGTH = 16

/** Notes where a read came from. One that came like the last one costs two comparisons. */
export function noteAddress(
  seen: AddressesByCaller,
  principal: string,
  request: CountedRequest,
): void {
  const peer = request.raw.socket.remoteAddress
  const forwarded = request.raw.headers['x-forwarded-for']
  const known = seen.get(principal)
  if (!known) {
    seen.set(principal, { peer, forwarded, all: new Set([request.ip]) })
    return
  }
  if (known.peer === peer && known.forwarded === forwarded) return
  known.peer = peer
  known.forwarded = forwarded
  if (known.all.size < ADDRESSES_MAX) known.all.add(request.ip)
}

/** Adds the addresses of a write that failed. */
export function keepAddresses(seen: AddressesByCaller, former: AddressesByCaller): void {
  for (const [principal, addresses] of former) {
    const known = seen.get(principal)
    if (!known) seen.set(principal, addresses)
    else for (const one of addresses.all) if (known.all.size < ADDRESSES_MAX) known.all.add(one)
  }
}

/** How networks are stored. */
export type NetworkNames = ReturnType<typeof createNetworkNames>

/** `plain`: networks are stored as they are. */
export function createNetworkNames(pseudonyms: Macs, plain: boolean) {
  const hashed = (keyId: string, text: string) =>
    pseudonyms.makeWith(keyId, text)?.slice(0, HASH_LENGTH)

  const named = (owner: string, network: string, day: number): Mark =>
    plain
      ? [network, '', day]
      : [hashed(pseudonyms.keyId, owner + network) ?? '', pseudonyms.keyId, day]

  return {
    /** `owner`: a text for which hashes differ from those of others. */
    named,
    /** Finds the network among marks. Makes one hash for each sealing key that they name. */
    finder(owner: string, network: string): (mark: Mark) => boolean {
      const byKey = new Map<string, string | undefined>([['', network]])
      return ([name, keyId]) => {
        if (!byKey.has(keyId)) byKey.set(keyId, hashed(keyId, owner + network))
        return name === byKey.get(keyId)
      }
    },
    /** False: this replica lacks its sealing key, so it cannot tell which network it is. */
    isKnown: ([, keyId]: Mark): boolean => keyId === '' || pseudonyms.has(keyId),
    /** As it is stored now. A plain name may stay plain only while the setting says so. */
    renamed: (owner: () => string, mark: Mark): Mark =>
      mark[1] === '' && !plain ? named(owner(), mark[0], mark[2]) : mark,
  }
}

/** Whose networks they are, how they are named now, and the time. */
interface Naming {
  readonly uid: string
  readonly names: NetworkNames
  readonly now: number
}

const ownerOf = (uid: string, principal: string) => JSON.stringify([uid, principal])

/** Those of the last 30 days, as they are stored now. */
function currentMarks(principal: string, marks: readonly Mark[], { uid, names, now }: Naming) {
  const oldest = oldestDay(now)
  const owner = once(() => ownerOf(uid, principal))
  return marks.filter(([, , day]) => day >= oldest).map((mark) => names.renamed(owner, mark))
}

/** Gives a row its networks, the last ones first. */
export function networkAdder(stored: StoredNetworks, naming: Naming) {
  const all = once(() => new Map(stored.map(([principal, , marks]) => [principal, marks])))
  return (row: CallerRow): CallerRow => {
    const marks = currentMarks(row.principal, all().get(row.principal) ?? [], naming)
    if (marks.length === 0) return row
    const networks = marks
      .sort(([a, , day], [b, , other]) => other - day || (a < b ? -1 : 1))
      .map(([network, , day]) => ({
        network,
        lastOn: new Date(day * DAY_MS).toISOString().slice(0, 10),
      }))
    return { ...row, networks }
  }
}

/** The stored networks with those of the addresses, and which of them are new. Nothing is new on the first day of a principal. */
export function mergedNetworks(
  stored: StoredNetworks,
  seen: AddressesByCaller,
  { uid, names, now }: Naming,
): { readonly networks: StoredNetworks; readonly found: readonly NewNetwork[] } {
  const today = Math.floor(now / DAY_MS)
  const all = new Map(
    stored.map(([principal, since, marks]) => [
      principal,
      { since, marks: currentMarks(principal, marks, { uid, names, now }) },
    ]),
  )
  const count = [...all.values()].reduce((sum, { marks }) => sum + marks.length, 0)
  const found: NewNetwork[] = []
  for (const [principal, { all: addresses }] of seen) {
    const owner = ownerOf(uid, principal)
    const known = all.get(principal)
    const begun = known && known.marks.length > 0 ? known : { since: now, marks: [] }
    const tells =
      now - begun.since >= DAY_MS && count < ALL_NETWORKS_MAX && begun.marks.every(names.isKnown)
    const marks = [...begun.marks]
    for (const network of new Set([...addresses].map(subnetOf))) {
      if (network === undefined) continue
      const place = marks.findIndex(names.finder(owner, network))
      const mark = names.named(owner, network, today)
      if (place >= 0) marks[place] = mark
      else {
        if (tells && marks.length < NETWORKS_MAX) found.push({ principal, network: mark[0] })
        marks.push(mark)
      }
    }
    all.set(principal, { since: begun.since, marks: latest(marks, NETWORKS_MAX) })
  }
  return { networks: bounded([...all]), found }
}

const latest = (marks: readonly Mark[], most: number): Mark[] =>
  marks.length <= most ? [...marks] : [...marks].sort((a, b) => b[2] - a[2]).slice(0, most)

/** The principals that came last are kept. */
function bounded(
  all: readonly (readonly [string, { readonly since: number; readonly marks: Mark[] }])[],
): StoredNetworks {
  const rows = all.filter(([, { marks }]) => marks.length > 0)
  const lastDay = (marks: readonly Mark[]) => Math.max(...marks.map(([, , day]) => day))
  const total = rows.reduce((sum, [, { marks }]) => sum + marks.length, 0)
  if (total > ALL_NETWORKS_MAX) {
    rows.sort(([, a], [, b]) => lastDay(b.marks) - lastDay(a.marks))
  }
  let room = ALL_NETWORKS_MAX
  return rows.flatMap(([principal, { since, marks }]) => {
    room -= marks.length
    return room >= 0 ? [[principal, since, marks] as const] : []
  })
}
