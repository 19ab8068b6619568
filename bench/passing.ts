/** Requests through a gateway that asks for a proof for each, beside the same gateway that asks bare `node:http`. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { GATEWAYS } from '../test/gateway/gateway-table.ts'
import { startGateway } from '../test/gateway/running-gateway.ts'
import { freePort } from '../test/support/redis.ts'
import type { Measured } from './cost.ts'
import { exactly, type Figure } from './figure.ts'
import { type Load, load } from './load.ts'
import { PROVEN_PATH, proverKey } from './prover-key.ts'
import { inTurn, spreadOf } from './ratio.ts'
import type { MeasuredBroker, Setting, Teardown } from './setting.ts'

interface PassingOptions {
  readonly rounds: number
  readonly seconds: number
  readonly warmSeconds: number
}

interface Passing {
  readonly ours: Load
  readonly bare: Load
  /** Bare, with one signature for each answer. */
  readonly signing: Load
}

/** Requests through nginx, which asks one of the two for each. What it passes them to is a server of its own, so that only the question differs. */
export async function measurePassing(
  t: Teardown,
  setting: Setting,
  broker: MeasuredBroker,
  { rounds, seconds, warmSeconds }: PassingOptions,
): Promise<readonly Figure[]> {
  const key = await proverKey(broker, 'gateway', 'tokens:read')
  const asked = {
    authorization: `Bearer ${key}`,
    'x-original-method': 'GET',
    'x-original-uri': PROVEN_PATH,
  }
  const answer = await fetch(`${broker.url}/gateway/bound`, { headers: asked })
  if (!answer.headers.has('dpop')) throw new Error(`no proof: ${answer.status}`)
  const file = await fileOf(setting, answer)
  const bare = await setting.server('./servers/bare.ts', [file])
  const signing = await setting.server('./servers/signing.ts', [file])
  const through = async ({ url }: Measured): Promise<string> => {
    const upstream = await freePort()
    const [nginx] = GATEWAYS
    if (nginx?.name !== 'nginx') throw new Error('the first gateway is not nginx')
    const provided = await nginx.provide((line) => console.error(line))
    if (!provided.ok) throw new Error(provided.why)
    const { port } = await startGateway(
      t,
      {
        ...nginx,
        changes: () => [
          [/gateway\/billing/, 'gateway/bound'],
          [/\$instance\$salesforce_uri/g, `http://127.0.0.1:${upstream}$salesforce_uri`],
          [
            /\n {2}server \{/,
            `\n  access_log off;\n  server { listen 127.0.0.1:${upstream}; return 200 ok; }\n  server {`,
          ],
        ],
      },
      { brokerUrl: url, key, instance: new URL(setting.simulator.origins.myDomain) },
    )
    return `http://127.0.0.1:${port}/sf${PROVEN_PATH}`
  }
  const [ourUrl, bareUrl] = [await through(broker), await through(bare)]
  const signingUrl = await through(signing)
  const measure =
    (url: string, duration = seconds) =>
    () =>
      load({ url, seconds: duration })
  await measure(ourUrl, warmSeconds)()
  await measure(bareUrl, warmSeconds)()
  await measure(signingUrl, warmSeconds)()
  const each: Passing[] = []
  for (let round = 0; round < rounds; round += 1) {
    const [[ours, other] = []] = await inTurn(1, measure(ourUrl), measure(bareUrl))
    if (!ours || !other) throw new Error('a round was not measured')
    each.push({ ours, bare: other, signing: await measure(signingUrl)() })
  }
  return [
    {
      id: 'nginx-ratio',
      what: 'requests a second through nginx, with proofs of Valetkey / with `auth_request` to bare `node:http`',
      spread: spreadOf(
        each.map(({ ours, bare: other }) => ours.requestsPerSecond / other.requestsPerSecond),
      ),
      digits: 2,
      target: { atLeast: 0.5 },
    },
    {
      id: 'nginx-floor',
      what: 'the same if bare `node:http` signed once for each answer',
      spread: spreadOf(
        each.map(
          ({ signing: one, bare: other }) => one.requestsPerSecond / other.requestsPerSecond,
        ),
      ),
      digits: 2,
    },
    {
      id: 'nginx-rate',
      what: 'requests a second through nginx, with proofs of Valetkey',
      spread: spreadOf(each.map(({ ours }) => ours.requestsPerSecond)),
      digits: 0,
    },
    {
      id: 'nginx-failures',
      what: 'of all, failed',
      spread: exactly(
        each.reduce(
          (sum, one) => sum + one.ours.failures + one.bare.failures + one.signing.failures,
          0,
        ),
      ),
      digits: 0,
      target: { atMost: 0 },
    },
  ]
}

/** The answer, for a server that gives it to everybody. */
async function fileOf(setting: Setting, answer: Response): Promise<string> {
  const own = ['date', 'connection', 'keep-alive']
  const headers = Object.fromEntries([...answer.headers].filter(([name]) => !own.includes(name)))
  const file = join(setting.folder, 'passed.json')
  await writeFile(file, JSON.stringify({ headers, body: await answer.text() }))
  return file
}
