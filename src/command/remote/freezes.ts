/** `valetkey freeze`, `freezes` and `thaw`: integrations that hand out nothing, on the day when tokens were stolen. */
import type { Freeze } from '../../client/api/service.ts'
import type { RequestOf, ValetkeyClient } from '../../client/client.ts'
import { UnreachableError } from '../../client/problem-error.ts'
import { confirmed } from '../ask.ts'
import { unlessAway } from '../away.ts'
import { durationText } from '../durations.ts'
import { CommandError, EXITS } from '../exits.ts'
import { untilInterrupted } from '../interrupt.ts'
import type { CommandInput } from '../spec.ts'
import { tableLines } from '../table-text.ts'
import { pause, type Terminal } from '../terminal.ts'
import { labelIn } from './keys.ts'

const POLL_MS = 500
const TIMEOUT_MS = 15 * 60_000
const ID_WIDTH = 40
const HEAD = ['ID', 'SINCE', 'STATE', 'ENDED', 'LEFT', 'FAILED', 'REASON']

interface FreezeOrderFlags {
  readonly label?: readonly string[]
  readonly clientId?: readonly string[]
  readonly orgId?: readonly string[]
  readonly all?: boolean
  readonly reason: string
  readonly revoke?: boolean
  readonly revokeRefreshTokens?: boolean
}

interface ViewFlags {
  /** Milliseconds. */
  readonly timeout?: number
  readonly yes?: boolean
}

type Body = RequestOf<'createFreeze'>['body']

export async function runFreeze({ operands, options, terminal, broker }: CommandInput) {
  const order = options as unknown as FreezeOrderFlags
  const { timeout = TIMEOUT_MS, yes = false } = options as ViewFlags
  const body = bodyOf(operands, order)
  const { client } = await broker()
  if (order.all && !yes && !(await confirmed(terminal, 'Freeze all integrations?'))) {
    return EXITS.ill
  }
  let id: string | undefined
  return untilInterrupted(
    async (signal) => {
      const frozen = await ordered(client, body, signal)
      id = frozen.id
      terminal.print(`${id}: frozen since ${frozen.since}`)
      return shown(client, id, timeout, terminal, signal)
    },
    () => terminal.note(id === undefined ? `there is no answer; ${LOOK}` : goesOn(id)),
  )
}

const LOOK = 'the broker may have the order all the same: valetkey freezes lists what is in force'
const goesOn = (id: string) =>
  `the freeze stays and the broker goes on; valetkey freezes ${id} shows it`

async function ordered(client: ValetkeyClient, body: Body, signal: AbortSignal): Promise<Freeze> {
  try {
    return (await client.request('createFreeze', { body, signal })).body
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error
    throw new CommandError(EXITS.unavailable, `${error.message}; ${LOOK}`, { cause: error })
  }
}

function bodyOf(names: readonly string[], order: FreezeOrderFlags): Body {
  const { label = [], clientId, orgId, all = false, reason } = order
  const selector = {
    ...(names.length > 0 && { integrations: names }),
    ...(label.length > 0 && { labels: Object.fromEntries(label.map(labelIn)) }),
    ...(clientId && { client_ids: clientId }),
    ...(orgId && { org_ids: orgId }),
    ...(all && { all }),
  }
  if (Object.keys(selector).length === 0) {
    throw new CommandError(
      EXITS.usage,
      'name integrations, or select them with --label, --client-id, --org-id or --all',
    )
  }
  return {
    selector,
    reason,
    revoke: order.revoke ?? true,
    revoke_refresh_tokens: order.revokeRefreshTokens ?? false,
  }
}

export async function runFreezes({ operands, options, terminal, broker }: CommandInput) {
  const { json = false, timeout = TIMEOUT_MS } = options as ViewFlags & { readonly json?: boolean }
  const [id] = operands
  const { client } = await broker()
  if (id !== undefined && !json) {
    return untilInterrupted(
      (signal) => shown(client, id, timeout, terminal, signal),
      () => terminal.note(goesOn(id)),
    )
  }
  const items =
    id === undefined
      ? (await client.request('listFreezes', {})).body.items
      : [(await client.request('getFreeze', { path: { id } })).body]
  if (json) terminal.print(JSON.stringify(items))
  else if (items.length === 0) terminal.print('no freeze')
  else {
    const rows = items.map((one) =>
      [
        one.id,
        durationText(Date.now() - Date.parse(one.since)),
        one.state,
        ...countsOf(one),
        one.reason,
      ].map((text) => ({
        text,
      })),
    )
    for (const line of tableLines(terminal, HEAD, rows, ID_WIDTH)) terminal.print(line)
  }
  return EXITS.ok
}

const countsOf = ({ tokens: { done, left, failed } }: Freeze) => [done, left, failed].map(String)

export async function runThaw({ operands, terminal, broker }: CommandInput) {
  const { client } = await broker()
  for (const id of operands) {
    await client.request('liftFreeze', { path: { id } })
    terminal.print(`${id}: lifted`)
  }
  return EXITS.ok
}

/** Until all tokens have ended. The broker goes on without it. */
async function shown(
  client: ValetkeyClient,
  id: string,
  timeoutMs: number,
  terminal: Terminal,
  signal: AbortSignal,
) {
  const begin = performance.now()
  let last = ''
  for (;;) {
    const reading = client.request('getFreeze', { path: { id }, signal })
    const freeze = (
      await unlessAway(reading, ({ message }) =>
        terminal.progress(`${id}: ${message}; trying again`),
      )
    )?.body
    const text = freeze ? textOf(freeze) : last
    if (text !== last && !terminal.isTerminal) terminal.print(`${id}: ${text}`)
    last = text
    const passedMs = performance.now() - begin
    if (freeze && freeze.state !== 'revoking') return ended(freeze, terminal)
    if (passedMs >= timeoutMs) {
      terminal.note(`the broker goes on; valetkey freezes ${id} shows it again`)
      return EXITS.pending
    }
    terminal.progress(`${id}: ${text}, ${durationText(passedMs)}`)
    await pause(Math.min(POLL_MS, timeoutMs - passedMs), signal)
  }
}

function textOf({ integrations, tokens }: Freeze): string {
  const selected = integrations.selected ?? 'not counted yet'
  return `integrations ${integrations.looked_at}/${selected}, tokens ended ${tokens.done}, left ${tokens.left}, failed ${tokens.failed}`
}

function ended(freeze: Freeze, terminal: Terminal): number {
  const { id, state, selector, integrations, tokens, failures } = freeze
  terminal.print(`${id}: ${state}, ${textOf(freeze)}`)
  for (const { integration, token_id, reason } of failures) {
    terminal.note(`${integration ?? 'none'} ${token_id}: ${reason}`)
  }
  const named = new Set(selector.integrations ?? []).size
  const { selected } = integrations
  // Null: it was lifted before anybody looked.
  const isMissed = selected !== null && selected < Math.max(1, named)
  if (isMissed) {
    const found =
      selected === 0 ? 'no integration' : `only ${selected} of the ${named} integrations it names`
    terminal.note(
      `it selects ${found} now: check the names and options, and freeze what is missing`,
    )
  }
  return tokens.failed > 0 || isMissed ? EXITS.ill : EXITS.ok
}
