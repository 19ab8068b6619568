/** The pure parts of the command line. */
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import {
  changesBetween,
  DEFINITION_DEFAULTS,
  writableIn,
} from '../../src/command/apply/difference.ts'
import { durationIn, durationText } from '../../src/command/durations.ts'
import { usageOf } from '../../src/command/help.ts'
import { createProgram, normalized } from '../../src/command/program.ts'
import { type RotationLook, rotationSteps, standOf } from '../../src/command/rotate/progress.ts'
import { COMMANDS } from '../../src/command/table.ts'
import { tableLines } from '../../src/command/table-text.ts'
import { startBroker } from '../support/broker.ts'

t.test('durations are read and written with one unit', async (t) => {
  t.same(['90s', '15m', '2h', '30d'].map(durationIn), [90_000, 900_000, 7_200_000, 2_592_000_000])
  for (const wrong of ['', '5', 'm', '1.5h', '-1m', '5w']) t.equal(durationIn(wrong), undefined)
  t.same([0, 999, 59_999, 60_000, 3_600_000, 90_000_000, -120_000].map(durationText), [
    '0s',
    '0s',
    '59s',
    '1m',
    '1h',
    '1d',
    '-2m',
  ])
})

t.test('a line of a table is never wider than the terminal', async (t) => {
  const terminal = { width: 40, paint: (_: string, text: string) => `<${text}>` }
  const rows = [
    [
      { text: 'a'.repeat(50) },
      { text: 'ready', colour: 'green' as const },
      { text: 'x'.repeat(50) },
    ],
  ]
  const [head = '', line = ''] = tableLines(terminal, ['NAME', 'STATE', 'MORE'], rows, 20)
  t.match(head, /^<NAME/)
  t.equal(line.replace(/[<>]/g, '').length, 40)
  t.match(line, /^a{19}… {2}<ready> {2}x+…$/)
})

t.test('what a definition does not say is its default', async (t) => {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
  const app = simulator.addClientCredentialsApp()
  const body = {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
  }
  await broker.call('PUT', '/integrations/silent', { body })
  const { body: silent } = await broker.call('GET', '/integrations/silent')
  t.match(silent, DEFINITION_DEFAULTS)
  t.same(changesBetween(writableIn(silent), body), [])
  const others = Object.keys(writableIn(silent)).filter((name) => !(name in DEFINITION_DEFAULTS))
  t.same(others.toSorted(), ['grant', 'identity', 'login_url'])
})

t.test('changes are told member by member', async (t) => {
  const current = {
    login_url: 'https://a',
    grant: { type: 'x', audience: 'y' },
    labels: { a: '1' },
  }
  const wanted = {
    login_url: 'https://a/',
    grant: { type: 'z' },
    labels: {},
    deployment: { app: 'A' },
  }
  t.same(changesBetween(current, wanted), [
    { member: 'grant.type', from: 'x', to: 'z' },
    { member: 'labels', from: { a: '1' }, to: {} },
    { member: 'deployment', from: undefined, to: { app: 'A' } },
    ...Object.entries(DEFINITION_DEFAULTS)
      .filter(([name]) => name !== 'labels' && name in current)
      .map(([member, to]) => ({ member, from: undefined, to })),
  ])
})

t.test('every example is a command line that parses', async (t) => {
  for (const spec of COMMANDS) {
    for (const [example] of spec.examples) {
      const [, line = ''] =
        /(?:^|[\s(])valetkey (.*?)(?: [|<>] ?.*| \|\| .*|\)"?)?$/.exec(example) ?? []
      const words = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(
        ([, quoted, plain]) => quoted ?? plain ?? '',
      )
      let ran = ''
      const output = { write: (text: string) => t.comment(text) }
      const streams = { stdout: output, stderr: output }
      const program = createProgram(
        async ({ name }) => {
          ran = name
          return 0
        },
        streams,
        () => undefined,
      )
      await program.parseAsync([...normalized(words)], { from: 'user' })
      t.equal(ran, spec.name, example)
    }
    t.match(usageOf(spec), /^valetkey /)
  }
})

t.test('the steps of a rotation, and how it ends', async (t) => {
  const one = (id: string, state: string, more = {}) => ({ id, state, retires_at: null, ...more })
  const look = (credentials: readonly object[], more = {}) =>
    ({
      credentials,
      status: { state: 'ready', last_refusal: null },
      ...more,
    }) as unknown as RotationLook
  const steps = (given: RotationLook) => rotationSteps('new', given).map(({ step }) => step)
  const staged = [one('old', 'active'), one('new', 'staged')]
  t.same([steps(look(staged)), standOf('new', look(staged))], [[], 'going'])
  const refused = look(staged, { status: { state: 'propagating', last_refusal: { reason: 'x' } } })
  t.same(steps(refused), ['refused'])
  const flipped = look([one('new', 'active'), one('old', 'retired')])
  t.same([steps(flipped), standOf('new', flipped)], [['active'], 'active'])
  const erased = look([one('new', 'active')])
  t.same([steps(erased), standOf('new', erased)], [['active', 'erased'], 'done'])
  const failed = look(staged, {
    deployment: { phase: 'failed', failed_in: 'deploying', detail: 'd' },
  })
  t.same([steps(failed), standOf('new', failed)], [['failed'], 'failed'])
  t.equal(standOf('new', look([one('old', 'active')])), 'failed', 'somebody deleted it')
})
