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

/** Where it cannot be had, or fails, what is measured of Valetkey alone stays. */
export async function measureBesideOpenbao(
  t: Teardown,
  { hits, firstReads, footprint }: OpenbaoOptions,
): Promise<readonly Figure[]> {
  const programs = await programsOf()
  const part = (run: (setting: Setting, bao: Openbao | undefined) => Promise<readonly Figure[]>) =>
    withOrWithout(programs, async (used) => {
      const setting = await prepareSetting(t)
      const bao = used && (await startOpenbao(t, setting, used))
      const figures = await run(setting, bao)
      await bao?.stop()
      return figures
    })
  return [
    ...(await part(async (setting, bao) => (bao ? measureHits(setting, bao, hits) : []))),
    ...(await part((setting, bao) => measureFirstReads(t, setting, bao, firstReads))),
    ...(await withOrWithout(programs, async (used) =>
      measureFootprint(t, await prepareSetting(t), used, footprint),
    )),
  ]
}

/** What fails with the peer is measured once more without it: an error of ours comes again. */
export async function withOrWithout<Result>(
  programs: OpenbaoPrograms | undefined,
  run: (programs: OpenbaoPrograms | undefined) => Promise<Result>,
): Promise<Result> {
  if (!programs) return run(undefined)
  try {
    return await run(programs)
  } catch (error) {
    console.error(`NOT MEASURED: ${OPENBAO_NAME}.`, error)
    return run(undefined)
  }
}

/** Undefined where they cannot be had; then stderr says why. */
export async function programsOf(): Promise<OpenbaoPrograms | undefined> {
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
