/** `valetkey status`: the state of all integrations as a table. */
import type { Integration } from '../../client/api/integrations.ts'
import type { ValetkeyClient } from '../../client/client.ts'
import { unlessAway } from '../away.ts'
import { durationText } from '../durations.ts'
import { EXITS } from '../exits.ts'
import { unlessGone } from '../gone.ts'
import { untilInterrupted } from '../interrupt.ts'
import type { CommandInput } from '../spec.ts'
import { type Cell, tableLines } from '../table-text.ts'
import { type Colour, pause, type Terminal } from '../terminal.ts'
import { type IntegrationFilter, type Listed, listIntegrations, mapped } from './pages.ts'

const HEAD = ['NAME', 'STATE', 'TOKEN', 'REFRESH', 'CERT', 'LOGINS/H', 'CALLERS', 'LAST REFUSAL']
const NAME_WIDTH = 30
const WATCH_MS = 2_000
const DAY_MS = 86_400_000
/** As the doctor judges a certificate: it fails for 14 whole days or fewer, and warns for 60 or fewer. */
const CERTIFICATE_RED_MS = 15 * DAY_MS
const CERTIFICATE_YELLOW_MS = 61 * DAY_MS
/** Each costs a request. */
const CALLERS_MAX = 100
const CALLERS_PAGE = 200
const CALLERS_ROUNDS = 30
const AT_ONCE = 8
const REFUSAL_WORDS = 3

/** What is shown as the state. An integration that is frozen gives no token, whatever its state. */
type State = Integration['status']['state'] | 'frozen'

const STATE_COLOURS: Readonly<Record<State, Colour>> = {
  draft: 'yellow',
  unproven: 'dim',
  ready: 'green',
  propagating: 'yellow',
  refused: 'red',
  identity_changed: 'red',
  disabled: 'dim',
  frozen: 'yellow',
  not_connected: 'red',
}

interface StatusOptions extends IntegrationFilter {
  readonly watch?: boolean
  readonly json?: boolean
}

export async function runStatus({ operands, options, terminal, broker }: CommandInput) {
  const { watch = false, json = false, ...rest } = options as StatusOptions
  const { client } = await broker()
  const filter = {
    ...(rest.state !== undefined && { state: rest.state }),
    ...(rest.label !== undefined && { label: rest.label }),
  }
  const look = (signal?: AbortSignal) => lookAt(client, operands, filter, signal)
  if (watch) return watchStatus(look, client, terminal)
  const listed = await look()
  if (json) {
    terminal.print(JSON.stringify({ items: listed.items, corrupt: listed.corrupt }))
  } else {
    const callers = await callersToday(client, listed.items)
    for (const line of statusLines(listed, callers, terminal)) terminal.print(line)
  }
  return needsPerson(listed) ? EXITS.ill : EXITS.ok
}

async function lookAt(
  client: ValetkeyClient,
  names: readonly string[],
  filter: IntegrationFilter,
  signal: AbortSignal | undefined,
): Promise<Listed> {
  if (names.length === 0) return listIntegrations(client, filter, signal)
  const read = async (name: string) =>
    (await client.request('getIntegration', { path: { name }, ...(signal && { signal }) })).body
  const found = await mapped(names, AT_ONCE, read)
  const { state, label } = filter
  const items = found.filter(
    ({ status, labels }) =>
      (state === undefined || (state === 'frozen' ? status.frozen : status.state === state)) &&
      (label === undefined || Object.entries(labels).some((one) => one.join(':') === label)),
  )
  return { items, corrupt: [] }
}

function watchStatus(
  look: (signal: AbortSignal) => Promise<Listed>,
  client: ValetkeyClient,
  terminal: Terminal,
) {
  return untilInterrupted(async (signal) => {
    let callers: ReadonlyMap<string, string> = new Map()
    const states = new Map<string, State>()
    const show = async (round: number): Promise<true> => {
      const listed = await look(signal)
      if (terminal.isTerminal) {
        if (round % CALLERS_ROUNDS === 0) callers = await callersToday(client, listed.items, signal)
        const lines = statusLines(listed, callers, terminal)
        terminal.stdout.write(`\u001b[H\u001b[J${lines.join('\n')}\n`)
      } else tellChanges(listed, states, terminal)
      return true
    }
    let isMissed = false
    for (let round = 0; ; round += 1) {
      const isSeen = await unlessAway(show(round), ({ message }) => {
        if (!isMissed) terminal.note(`${message}; trying again`)
      })
      isMissed = isSeen === undefined
      await pause(WATCH_MS, signal)
    }
  })
}

function tellChanges({ items }: Listed, states: Map<string, State>, terminal: Terminal): void {
  for (const { name, status } of items) {
    const state = stateOf(status)
    if (states.get(name) !== state) terminal.print(`${name} ${state}`)
    states.set(name, state)
  }
}

/** How many principals fetched a token since midnight (UTC), by integration. */
async function callersToday(
  client: ValetkeyClient,
  items: readonly Integration[],
  signal?: AbortSignal,
) {
  if (items.length > CALLERS_MAX) return new Map<string, string>()
  const midnight = new Date().toISOString().slice(0, 10)
  const counts = await mapped(items, AT_ONCE, async ({ name }): Promise<[string, string]> => {
    const request = { path: { name }, query: { limit: CALLERS_PAGE }, ...(signal && { signal }) }
    const found = await unlessGone(client.request('listIntegrationCallers', request))
    if (!found) return [name, '-']
    const { body } = found
    const count = body.items.filter(({ last_at }) => last_at >= midnight).length
    return [name, `${count}${body.next_cursor === null ? '' : '+'}`]
  })
  return new Map(counts)
}

function statusLines(
  { items, corrupt }: Listed,
  callers: ReadonlyMap<string, string>,
  terminal: Terminal,
): readonly string[] {
  if (items.length + corrupt.length === 0) return ['no integration']
  const now = Date.now()
  const rows = [
    ...corrupt.map((name): Cell[] => [{ text: name }, { text: 'corrupt', colour: 'red' }]),
    ...items.map((item) => rowOf(item, callers, now)),
  ]
  const more =
    items.length > CALLERS_MAX
      ? [`CALLERS is shown for ${CALLERS_MAX} integrations at most: name some, or use --label`]
      : []
  return [...tableLines(terminal, HEAD, rows, NAME_WIDTH), ...more]
}

function rowOf(
  { name, status }: Integration,
  callers: ReadonlyMap<string, string>,
  now: number,
): readonly Cell[] {
  const state = stateOf(status)
  const { lease, last_refusal, logins_last_hour, certificate_expires_at } = status
  return [
    { text: name },
    { text: state, colour: STATE_COLOURS[state] },
    left(lease?.expires_at, now),
    left(lease?.refresh_at, now),
    certificateCell(certificate_expires_at, now),
    { text: String(logins_last_hour) },
    { text: callers.get(name) ?? '-' },
    refusalCell(last_refusal),
  ]
}

const stateOf = ({ state, frozen }: Integration['status']): State => (frozen ? 'frozen' : state)

const left = (at: string | null | undefined, now: number): Cell => ({
  text: at ? durationText(Math.max(0, Date.parse(at) - now)) : '-',
})

function certificateCell(at: string | null, now: number): Cell {
  if (at === null) return { text: '-' }
  const ms = Date.parse(at) - now
  const text = ms < 0 ? 'expired' : durationText(ms)
  if (ms < CERTIFICATE_RED_MS) return { text, colour: 'red' }
  return ms < CERTIFICATE_YELLOW_MS ? { text, colour: 'yellow' } : { text }
}

function refusalCell(refusal: Readonly<Record<string, unknown>> | null): Cell {
  if (refusal === null) return { text: '-' }
  const reason = refusal.reason ?? refusal.code
  const words = String(reason ?? 'refused')
    .split('_')
    .slice(0, REFUSAL_WORDS)
  return { text: words.join(' '), colour: 'yellow' }
}

function needsPerson({ items, corrupt }: Listed): boolean {
  const now = Date.now()
  return (
    corrupt.length > 0 ||
    items.some(
      ({ status }) =>
        STATE_COLOURS[status.state] === 'red' ||
        certificateCell(status.certificate_expires_at, now).colour === 'red',
    )
  )
}
