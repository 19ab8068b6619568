/** Pages of the list, and the status page, of integrations that all have a token, in both stores. */
import { setTimeout as sleep } from 'node:timers/promises'
import { exactly, type Figure } from './figure.ts'
import { leaseCopies, openStore } from './leased-copies.ts'
import { nameOf } from './many.ts'
import { spreadOf } from './ratio.ts'
import { untilIndexed } from './scale.ts'
import { COPY_PREFIX, ENGINES, type Engine, startEngine } from './scale-store.ts'
import { type MeasuredBroker, prepareSetting, type Setting, type Teardown } from './setting.ts'

export interface ListOptions {
  readonly integrations: number
  /** Pages of each kind. */
  readonly pages: number
}

const ORIGINAL = 'billing'
/** Before a figure: the first pages compile what all share. */
const WARM_PAGES = 10

const FILTERS = [
  ['all', '', ''],
  ['ready', 'state=ready', ' that are ready'],
  ['label', 'label=team:billing', ' with a label'],
  ['frozen', 'state=frozen', ' that are frozen'],
  ['refused', 'state=refused', ' that are refused, of whom there are none'],
] as const

export async function measureList(t: Teardown, options: ListOptions): Promise<readonly Figure[]> {
  const setting = await prepareSetting(t)
  setting.simulator.configure({ expiresIn: 7_200 })
  const figures: Figure[] = []
  for (const engine of ENGINES) figures.push(...(await measureEngine(t, engine, setting, options)))
  return figures
}

async function measureEngine(
  t: Teardown,
  engine: Engine,
  setting: Setting,
  { integrations, pages }: ListOptions,
): Promise<readonly Figure[]> {
  const store = (await startEngine(t, engine, setting))(`list-${engine}`)
  const maker = await setting.broker(store.options)
  await prepareOriginal(setting, maker)
  await maker.process.kill('SIGTERM')
  await store.fill(ORIGINAL, 1, integrations)
  const copies = Array.from({ length: integrations - 1 }, (_, at) => nameOf(COPY_PREFIX, at + 1))
  const opened = await openStore(store.options)
  await leaseCopies(opened, setting.keyring, ORIGINAL, copies)
  await opened.close()

  const broker = await setting.broker(store.options)
  const { call } = broker.process
  await untilIndexed(broker)
  const body = { selector: { labels: { team: 'billing' } }, reason: 'a bench', revoke: false }
  const frozen = await call('POST', '/freezes', { body })
  if (frozen.status !== 201) throw new Error(`POST /freezes: ${frozen.status}`)
  await untilSwept(broker, frozen.body.id)
  const middle = copies[Math.floor(copies.length / 2)] ?? ''
  const cursor = Buffer.from(middle).toString('base64url')
  const page = async (query: string) => {
    const startedAt = performance.now()
    const answer = await call('GET', `/integrations?limit=200&cursor=${cursor}&${query}`)
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body))
    return performance.now() - startedAt
  }
  const of = `from the middle of ${integrations.toLocaleString('en-US')}`
  const figures: Figure[] = []
  for (const [id, query, what] of FILTERS) {
    for (let warmed = 0; warmed < WARM_PAGES; warmed += 1) await page(query)
    const before = await broker.probe.read()
    const times: number[] = []
    while (times.length < pages) times.push(await page(query))
    const { mainUs } = await broker.probe.read()
    figures.push({
      id: `${engine}-${id}`,
      what: `${engine}: a page of 200${what}, ${of}, ms`,
      spread: spreadOf(times),
      digits: 1,
      target: { atMost: 30 },
    })
    if (query === '') {
      figures.push({
        id: `${engine}-main`,
        what: `${engine}: CPU time of such a page on the main thread, ms`,
        spread: exactly((mainUs - before.mainUs) / 1_000 / pages),
        digits: 1,
      })
    }
  }
  figures.push(...(await measureStatusPage(broker, setting, engine, pages)))
  await broker.process.kill('SIGTERM')
  return figures
}

/** After a freeze, a replica reads every integration once, beside what is measured here. */
async function untilSwept({ process }: MeasuredBroker, freeze: string): Promise<void> {
  for (;;) {
    const { body } = await process.call('GET', `/freezes/${freeze}`)
    if (body.state === 'done') return
    await sleep(500)
  }
}

/** As a browser gets it that has signed in. */
async function measureStatusPage(
  { url, probe }: MeasuredBroker,
  { adminKey }: Setting,
  engine: Engine,
  pages: number,
): Promise<readonly Figure[]> {
  const signedIn = await fetch(`${url}/status/sign-in`, {
    ...{ method: 'POST', redirect: 'manual', headers: { origin: url } },
    body: new URLSearchParams({ key: adminKey }),
  })
  const cookie = (signedIn.headers.get('set-cookie') ?? '').split(';', 1)[0] ?? ''
  const visit = async () => {
    const startedAt = performance.now()
    const answer = await fetch(`${url}/status`, { headers: { cookie } })
    const firstByteMs = performance.now() - startedAt
    const html = await answer.text()
    if (!html.includes('<title>Status</title>')) throw new Error(`${answer.status}: ${html}`)
    return { firstByteMs, bytes: Buffer.byteLength(html) }
  }
  for (let warmed = 0; warmed < WARM_PAGES; warmed += 1) await visit()
  const before = await probe.read()
  const visits = []
  while (visits.length < pages) visits.push(await visit())
  const { mainUs } = await probe.read()
  return [
    {
      id: `${engine}-status`,
      what: `${engine}: the status page, until its first byte, ms`,
      spread: spreadOf(visits.map(({ firstByteMs }) => firstByteMs)),
      digits: 1,
      target: { atMost: 30 },
    },
    {
      id: `${engine}-status-main`,
      what: `${engine}: CPU time of the status page on the main thread, ms`,
      spread: exactly((mainUs - before.mainUs) / 1_000 / pages),
      digits: 1,
    },
    {
      id: `${engine}-status-size`,
      what: `${engine}: size of the status page, KB`,
      spread: spreadOf(visits.map(({ bytes }) => bytes / 1_000)),
      digits: 1,
    },
  ]
}

async function prepareOriginal(
  { simulator, authorization }: Setting,
  { process, url }: MeasuredBroker,
): Promise<void> {
  const app = simulator.addClientCredentialsApp({ name: ORIGINAL })
  const put = await process.call('PUT', `/integrations/${ORIGINAL}`, {
    body: {
      login_url: simulator.origins.myDomain,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      labels: { team: 'billing' },
    },
  })
  if (put.status !== 201) throw new Error(JSON.stringify(put.body))
  const token = await fetch(`${url}/tokens/${ORIGINAL}`, { headers: { authorization } })
  if (token.status !== 200) throw new Error(await token.text())
}
