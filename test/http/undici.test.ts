/** What undici does that `src/http/outbound/connecting.ts` and `deadline.ts` are there for. Where one of these fails, look whether they still have to be. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { Client, EnvHttpProxyAgent, request } from 'undici'
import { forwardProxy } from '../support/forward-proxy.ts'

const VERSION = '8.12.4'
const HOST = 'https://acme.my.salesforce.com/'
/** Long for a request that is to end after a moment. */
const LONG_MS = 1_000

const isOpen = (work: Promise<unknown>): Promise<boolean> =>
  Promise.race([
    work.then(
      () => false,
      () => false,
    ),
    new Promise<boolean>((resolve) => setTimeout(resolve, LONG_MS, true)),
  ])

const through = (url: string) =>
  new EnvHttpProxyAgent({ httpProxy: '', httpsProxy: url, noProxy: '' })

t.test('it is the version that this was found in', async (t) => {
  const at = new URL('../../node_modules/undici/package.json', import.meta.url)
  t.equal(JSON.parse(readFileSync(at, 'utf8')).version, VERSION)
})

t.test(
  'a request does not end by its signal while a CONNECT is open, nor does close',
  async (t) => {
    const proxy = await forwardProxy(t, { mood: 'silent', target: 1 })
    const dispatcher = through(proxy.url)
    const sent = request(HOST, { dispatcher, signal: AbortSignal.timeout(50) })
    t.equal(await isOpen(sent), true)
    t.equal(await isOpen(dispatcher.close()), true)
    await dispatcher.destroy()
    t.equal(await isOpen(sent), false, 'destroy ends it')
  },
)

t.test('a CONNECT of its own does end by its signal', async (t) => {
  const proxy = await forwardProxy(t, { mood: 'silent', target: 1 })
  const client = new Client(proxy.url)
  const asked = client.connect({ path: 'acme:443', signal: AbortSignal.timeout(50) })
  t.equal(await isOpen(asked), false)
  await client.destroy()
})

t.test('what a proxy answers to CONNECT is in the text of an error alone', async (t) => {
  const proxy = await forwardProxy(t, { mood: 403, target: 1 })
  const dispatcher = through(proxy.url)
  const error = await request(HOST, { dispatcher }).catch((thrown: unknown) => thrown)
  t.match(error, { code: 'UND_ERR_ABORTED', message: /403/, statusCode: undefined })
  await dispatcher.destroy()
})
