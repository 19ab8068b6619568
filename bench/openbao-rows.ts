/** Beside OpenBao and a plugin that keeps OAuth tokens: hits, first reads, starts and memory, in the same run and in turn. */
import { exactly, type Figure } from './figure.ts'
import { type FirstReadOptions, measureFirstReads } from './first-read.ts'
import { type FootprintOptions, measureFootprint } from './footprint.ts'
import { HIT_PATH } from './hit.ts'
import { type Load, load } from './load.ts'
import { addToOpenbao, type Openbao, openbaoPath, startOpenbao } from './peers/openbao.ts'
import { OPENBAO_NAME, type OpenbaoPrograms, provideOpenbao } from './peers/openbao-programs.ts'
import { inTurn, spreadOf } from './ratio.ts'
import { prepareSetting, type Setting, type Teardown } from './setting.ts'

export interface OpenbaoOptions {
  readonly hits: { readonly rounds: number; readonly seconds: number }
  readonly firstReads: FirstReadOptions
  readonly footprint: FootprintOptions
}

/** Where it cannot be had, what is measured of Valetkey alone stays. */
export async function measureBesideOpenbao(
  t: Teardown,
  { hits, firstReads, footprint }: OpenbaoOptions,
): Promise<readonly Figure[]> {
  const setting = await prepareSetting(t)
  const programs = await programsOf()
  const bao = programs && (await startOpenbao(t, setting, programs))
  const figures = [
    ...(bao ? await measureHits(setting, bao, hits) : []),
    ...(await measureFirstReads(t, setting, bao, firstReads)),
  ]
  await bao?.stop()
  return [...figures, ...(await measureFootprint(t, setting, programs, footprint))]
}

/** Undefined where it cannot be had; then stderr says why. */
export async function openbaoFor(t: Teardown, setting: Setting): Promise<Openbao | undefined> {
  const programs = await programsOf()
  return programs && startOpenbao(t, setting, programs)
}

async function programsOf(): Promise<OpenbaoPrograms | undefined> {
  const provided = await provideOpenbao((line) => console.error(line))
  if (!('why' in provided)) return provided
  console.error(`NOT MEASURED: ${OPENBAO_NAME}. ${provided.why}`)
  return undefined
}

/** Of a token that both have. */
async function measureHits(
  setting: Setting,
  bao: Openbao,
  { rounds, seconds }: OpenbaoOptions['hits'],
): Promise<readonly Figure[]> {
  const { simulator, authorization } = setting
  const broker = await setting.broker({ isProbed: false })
  await setting.integrate(broker, 'billing')
  const app = simulator.addClientCredentialsApp({ name: 'cached' })
  await addToOpenbao(simulator, bao, [app])
  const ours = () => load({ url: broker.url + HIT_PATH, headers: { authorization }, seconds })
  const url = bao.url + openbaoPath('cached')
  const theirs = () => load({ url, headers: bao.headers, seconds })
  await ours()
  await theirs()
  const pairs = await inTurn(rounds, ours, theirs)
  await broker.process.kill('SIGTERM')
  const of = (value: (ours: Load, theirs: Load) => number) =>
    spreadOf(pairs.map(([first, second]) => value(first, second)))
  return [
    {
      id: 'openbao-rate',
      what: `${OPENBAO_NAME}, cached reads a second`,
      spread: of((_ours, { requestsPerSecond }) => requestsPerSecond),
      digits: 0,
    },
    {
      id: 'openbao-ratio',
      what: `hits a second, Valetkey / ${OPENBAO_NAME}`,
      spread: of((first, second) => first.requestsPerSecond / second.requestsPerSecond),
      digits: 1,
    },
    {
      id: 'openbao-failures',
      what: `failed requests beside ${OPENBAO_NAME}`,
      spread: exactly(pairs.flat().reduce((sum, { failures }) => sum + failures, 0)),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}
