/** `npm run bench -- timing`: what refusals tell, by their bytes and by their time, to whoever asks for what he may not see. */
import { randomBytes } from 'node:crypto'
import { Client } from 'undici'
import { generateApiKey } from '../src/callers/api-key.ts'
import { allHear, type Fleet, startFleet } from '../test/support/fleet.ts'

export interface Comparison {
  readonly what: string
  readonly pairs: number
  /** Whether all answers, of both kinds, are the same byte for byte apart from ids and names. */
  readonly isSame: boolean
  /** Of all pairs, and of those that the machine did not hold up. */
  readonly t: { readonly all: number; readonly cropped: number }
  /** Medians, in microseconds. */
  readonly medianUs: readonly [number, number]
}

interface Question {
  readonly path: string
  readonly key: string
}

interface Case {
  readonly what: string
  /** Two questions that must not be told apart. */
  readonly ask: (index: number) => readonly [Question, Question]
}

/** Integrations that exist, and as many that do not. */
const NAMES = 20
/** An address that failed too often is answered with 429: each request comes from another one. */
const PROXY = { VALETKEY_TRUST_PROXY: '127.0.0.1/32' }
/** The slowest tenth says more about the machine than about the broker. */
const CROPPED = 0.9

const addressOf = (index: number) =>
  `10.${(index >> 16) & 255}.${(index >> 8) & 255}.${index & 255}`

/** Well-formed, with this id, and a secret that nobody has. */
const forgedKey = (id: string): string => generateApiKey(randomBytes, id).key.reveal()

async function casesOf(fleet: Fleet): Promise<readonly Case[]> {
  const { call } = fleet
  const numbers = Array.from({ length: NAMES }, (_, index) => String(index).padStart(2, '0'))
  const app = fleet.simulator.addClientCredentialsApp()
  for (const number of numbers) {
    await fleet.integrate(`there-${number}`, { app, members: { labels: { owner: 'them' } } })
    await call('GET', `/tokens/there-${number}`)
  }
  const keyFor = async (name: string, permit: object) => {
    const permissions = ['tokens:read', 'integrations:read']
    const made = await call('POST', '/api-keys', { body: { name, permissions, ...permit } })
    if (made.status !== 201) throw new Error(JSON.stringify(made.body))
    return made.body as { id: string; key: string }
  }
  const byName = await keyFor('by-name', { integrations: ['mine-*'] })
  const byLabel = await keyFor('by-label', { integrations: ['*'], labels: { owner: 'me' } })
  const ids: string[] = []
  for (const number of numbers) {
    ids.push((await keyFor(`key-${number}`, { integrations: ['mine-*'] })).id)
  }
  const never = numbers.map(() => generateApiKey(randomBytes).id)
  const pair = (prefix: string, key: string, index: number) => {
    const number = numbers[index % NAMES]
    const question = (name: string) => ({ path: `${prefix}/${name}-${number}`, key })
    return [question('there'), question('never')] as const
  }
  return [
    {
      what: 'a token of an integration that is forbidden by its name, or unknown',
      ask: (index) => pair('/tokens', byName.key, index),
    },
    {
      what: 'the definition of one that is forbidden by its name, or unknown',
      ask: (index) => pair('/integrations', byName.key, index),
    },
    {
      what: 'a token of one that is forbidden by its labels, or unknown',
      ask: (index) => pair('/tokens', byLabel.key, index),
    },
    {
      what: 'an API key that is wrong, or unknown',
      ask: (index) => {
        const at = index % NAMES
        const question = (id = '') => ({ path: '/tokens/there-00', key: forgedKey(id) })
        return [question(ids[at]), question(never[at])]
      },
    },
  ]
}

/** One request after another, the two of a pair in an order that is drawn. */
async function compare(fleet: Fleet, { what, ask }: Case, pairs: number): Promise<Comparison> {
  const client = new Client(fleet.replica(0).url)
  const answers = new Set<string>()
  const times: [number[], number[]] = [[], []]
  let sent = 0
  const send = async ({ path, key }: Question): Promise<number> => {
    sent += 1
    const headers = { authorization: `Bearer ${key}`, 'x-forwarded-for': addressOf(sent) }
    const startedAt = performance.now()
    const answer = await client.request({ method: 'GET', path, headers })
    const body = await answer.body.text()
    const tookUs = (performance.now() - startedAt) * 1_000
    answers.add(shapeOf(path, answer.statusCode, answer.headers, body))
    return tookUs
  }
  // The first ones compile.
  for (let index = 0; index < 500; index += 1) for (const one of ask(index)) await send(one)
  for (let index = 0; index < pairs; index += 1) {
    const pair = ask(index)
    const order = Math.random() < 0.5 ? ([0, 1] as const) : ([1, 0] as const)
    for (const kind of order) times[kind].push(await send(pair[kind]))
  }
  await client.close()
  const [first, second] = times
  return {
    ...{ what, pairs, isSame: answers.size === 1, medianUs: [median(first), median(second)] },
    t: { all: welch(first, second), cropped: welch(...cropped(first, second)) },
  }
}

/** What is left of an answer without ids, the name, and what belongs to the connection. */
function shapeOf(path: string, status: number, headers: object, body: string): string {
  const { request_id } = JSON.parse(body) as { request_id: string }
  const {
    date: _,
    connection: _connection,
    'keep-alive': _alive,
    ...others
  } = headers as Record<string, string>
  const name = path.split('/').at(-1) ?? ''
  return JSON.stringify([status, others, body])
    .replaceAll(request_id, 'ID')
    .replaceAll(name, 'NAME')
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
const mean = (values: readonly number[]) => sum(values) / values.length
const sorted = (values: readonly number[]) => [...values].sort((a, b) => a - b)
const quantile = (values: readonly number[], share: number) =>
  sorted(values)[Math.floor(values.length * share)] ?? Number.NaN
const median = (values: readonly number[]) => quantile(values, 0.5)

function cropped(first: readonly number[], second: readonly number[]) {
  const most = quantile([...first, ...second], CROPPED)
  return [first.filter((us) => us < most), second.filter((us) => us < most)] as const
}

/** Welch's t of two samples: beyond 4.5 they do not come from one and the same distribution. */
export function welch(first: readonly number[], second: readonly number[]): number {
  const errorOf = (values: readonly number[]) => {
    const center = mean(values)
    return sum(values.map((value) => (value - center) ** 2)) / (values.length - 1) / values.length
  }
  return (mean(first) - mean(second)) / Math.sqrt(errorOf(first) + errorOf(second))
}

export async function benchTiming(pairs: number): Promise<readonly Comparison[]> {
  const ends: (() => unknown)[] = []
  const t = { teardown: (end: () => unknown) => void ends.unshift(end) }
  try {
    const fleet = await startFleet(t, { replicas: 1, env: PROXY })
    await allHear(fleet)
    const comparisons: Comparison[] = []
    for (const one of await casesOf(fleet)) comparisons.push(await compare(fleet, one, pairs))
    return comparisons
  } finally {
    for (const end of ends) await end()
  }
}
