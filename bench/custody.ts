/** `npm run bench -- custody`: what becomes of refresh tokens that rotate while brokers are killed all the time. */
import { startFleet } from '../test/support/fleet.ts'
import { tally } from '../test/support/load.ts'
import { custodyChaos } from './cases/custody-chaos.ts'
import type { Teardown } from './setting.ts'

const INTEGRATIONS = 6
/** What Salesforce takes for an answer: so long a kill can hit it. */
const PROCESSING_MS = 150
/** What the state may take to say that an answer was lost, with the time between two looks at it. */
const SAID_MS = 65_000 + 5_000

export async function benchCustody(t: Teardown, seconds: number): Promise<readonly string[]> {
  const fleet = await startFleet(t, {
    replicas: 4,
    settings: { refreshProcessingMs: PROCESSING_MS },
    redisArgs: ['--appendonly', 'yes', '--appendfsync', 'always'],
  })
  const chaos = await custodyChaos(fleet, {
    integrations: INTEGRATIONS,
    durationMs: seconds * 1_000,
    killEveryMs: 3_000,
    redisRestarts: 2,
    perSecond: 30,
    seed: 7,
  })
  const { presented, losses, kills, redisRestarts, seen, serving } = chaos
  const reasons = Object.entries(tally(losses.map(({ reason }) => reason)))
  const slowest = Math.max(0, ...losses.map(({ afterMs }) => afterMs))
  const others = losses.filter(({ reason }) => reason !== 'answer_lost')
  const statuses = Object.entries(tally(seen.map(({ status, code }) => code ?? status)))
  const row = (what: string, must: string, shown: string, holds: boolean) =>
    `| ${what} | ${must} | ${shown} | ${holds ? 'yes' : '**no**'} |`
  const list = (entries: readonly [string, number][]) =>
    entries.map(([what, count]) => `${count} × ${what}`).join(', ') || 'none'
  return [
    `4 replicas, ${INTEGRATIONS} integrations, tokens of 5 s, ${seconds} s, ${kills} × \`kill -9\`, Redis killed ${redisRestarts} times.`,
    '',
    '| | must show | measured | holds |',
    '|---|---|---|---|',
    row(
      'refresh tokens presented',
      'none again unless Salesforce said that it lives',
      `${presented.count}, ${presented.unasked.length} of them again unasked`,
      presented.unasked.length === 0,
    ),
    row('presented though used up', '0', `${presented.replays}`, presented.replays === 0),
    row(
      'connections lost',
      'only where the answer itself was lost',
      list(reasons),
      others.length === 0,
    ),
    row(
      'until the state says so',
      'at most 65 s, and the look at it',
      `${(slowest / 1_000).toFixed(1)} s at most`,
      slowest <= SAID_MS,
    ),
    row(
      'connected anew, serving in the end',
      'all',
      `${serving} of ${INTEGRATIONS}`,
      serving === INTEGRATIONS,
    ),
    '',
    `Callers saw ${list(statuses)}.`,
  ]
}
