/** Whatever a client sends to the door of SOAP, the answer is a well-formed fault or the token, and costs little. */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import t from 'tap'
import { ENVELOPE, login, PARTNER } from './soap-world.ts'
import { doorWorld } from './world.ts'

const { makeKey, broker, call } = await doorWorld(t)
const { server } = broker.app
const key = await makeKey('odd')
await call('GET', '/tokens/billing')

/** Of each of the properties; ten times as many with `VALETKEY_TEST_LONG=1`. */
const TIMES = process.env.VALETKEY_TEST_LONG === '1' ? 10 : 1
const RUNS = 1_000 * TIMES
/** Of the thread that answers, for one body. */
const CPU_MS = 20
const GOOD = login('billing', key.key)

const word = fc.oneof(
  fc.constantFrom(
    ...['Envelope', 'Body', 'Header', 'login', 'username', 'password', 'logout', 'query'],
    ...['SessionHeader', 'sessionId', 'a', 'xmlns', 'constructor', '__proto__', 'hasOwnProperty'],
  ),
  fc.stringMatching(/^[a-z_][\w.-]{0,12}$/),
)
const prefix = fc.constantFrom('', 'e:', 'm:', 'a:b:', 'xml:', 'xmlns:')
const text = fc.oneof(
  fc.constantFrom(
    ...[key.key, 'billing', 'billing@x', '&amp;', '&', '&lt;', '&#x41;', '&#0;', '&x;', '&#;', ''],
    ...['<![CDATA[', ']]>', '<![CDATA[a]]>', '<!--', '-->', '<!-- a -->', '<?a b?>', '<?xml?>'],
    ...['<!DOCTYPE a>', '<!ENTITY a "b">', '\0', '\uFFFE', '\uD800', '\u2028', '€', '😀'],
  ),
  fc.string({ maxLength: 40 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
)
const attributes = fc
  .array(fc.tuple(prefix, word, text), { maxLength: 3 })
  .map((list) => list.map(([space, name, value]) => ` ${space}${name}="${value}"`).join(''))

/** Elements in each other, most of them well-formed. */
const { element } = fc.letrec<{ element: string; content: string }>((tie) => ({
  content: fc
    .array(fc.oneof({ depthSize: 'small' }, text, tie('element')), { maxLength: 4 })
    .map((parts) => parts.join('')),
  element: fc
    .tuple(prefix, word, attributes, tie('content'), fc.boolean())
    .map(([space, name, given, inner, isEmpty]) =>
      isEmpty
        ? `<${space}${name}${given}/>`
        : `<${space}${name}${given}>${inner}</${space}${name}>`,
    ),
}))
const wrapped = element.map(
  (inner) => `<e:Envelope xmlns:e="${ENVELOPE}"><e:Body>${inner}</e:Body></e:Envelope>`,
)
const named = fc
  .tuple(text, text, attributes)
  .map(
    ([username, password, given]) =>
      `<e:Envelope xmlns:e="${ENVELOPE}"><e:Body><m:login xmlns:m="${PARTNER}"${given}><m:username>${username}</m:username><m:password>${password}</m:password></m:login></e:Body></e:Envelope>`,
  )
/** A good login with a part that is cut out, doubled or replaced. */
const broken = fc
  .tuple(fc.nat(GOOD.length), fc.nat(40), text, fc.nat(3))
  .map(([at, length, other, count]) =>
    [GOOD.slice(0, at), other.repeat(count), GOOD.slice(at + length)].join(''),
  )
const many = (unit: string, start = '', end = '') =>
  start + unit.repeat(Math.floor((65_536 - start.length - end.length) / unit.length)) + end
const HEAVY = [
  ...[many('<a>'), many('<a/>', '<r>', '</r>'), many('a', '<a>', '</a>'), many('<'), many('&')],
  ...[
    many('&amp;', '<a>', '</a>'),
    many(' a="b"', '<a', '/>'),
    many('<![CDATA[x]]>', '<a>', '</a>'),
  ],
  ...[many('<!---->', '<a>', '</a>'), many('<?a b?>', '<a>', '</a>'), many('-', '<!--')],
  ...[many('a', '<'), many('a', '<a>&'), many('a', '</'), many('<!ENTITY a "b">', '<!DOCTYPE a [')],
  ...[many('\r\n', '<a>', '</a>'), many('é', '<a>', '</a>'), many('😀', '<a>', '</a>'), many('\0')],
  ...[many(' '), many('&a'), many('a&', '<a>', '</a>'), many('&#x41;', '<a>', '</a>')],
  ...[many("'", "<a b='"), many('=', '<a '), many(']', '<![CDATA['), many('<a:', '')],
  ...[many('<a b="">', '', ''), many('</a>', '<a>'), many('x', '<?'), many('x', '<!')],
]
const body = fc.oneof(
  { weight: 3, arbitrary: broken },
  { weight: 3, arbitrary: named },
  { weight: 3, arbitrary: wrapped },
  { weight: 2, arbitrary: element },
  { weight: 1, arbitrary: text },
  { weight: 1, arbitrary: fc.constantFrom(...HEAVY) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)) },
)
const path = fc.constantFrom(
  ...['/login/billing/services/Soap/u/60.0', '/services/Soap/u/60.0', '/services/Soap/c/v44.0'],
  ...['/login/nowhere/services/Soap/u/60.0', '/login/billing/services/Soap/m/60.0'],
  ...['/login/billing/services/Soap/u/%00', '/services/Soap/u/60.0/0DF000000000001'],
  '/login/__proto__/services/Soap/u/60.0',
)

let addresses = 0

async function send(url: string, payload: string | Buffer, isZipped: boolean) {
  addresses += 1
  const remoteAddress = `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}`
  const sent = isZipped ? gzipSync(payload, { level: 1 }) : payload
  const before = process.threadCpuUsage()
  const answer = await server.inject({
    ...{ method: 'POST', url, remoteAddress, payload: sent },
    headers: {
      'content-type': 'text/xml',
      ...(isZipped && { 'content-encoding': 'gzip' }),
    },
  })
  const { user, system } = process.threadCpuUsage(before)
  return { answer, cpuMs: (user + system) / 1000 }
}

const xml = new XMLParser({ removeNSPrefix: true })

/** Another parser than that of the door reads it. */
function isSoapAnswer(status: number, text: string): boolean {
  if (XMLValidator.validate(text) !== true) return false
  const { Envelope } = xml.parse(text)
  const isFault = typeof Envelope?.Body?.Fault?.faultcode === 'string'
  const isGood = Envelope?.Body?.loginResponse ?? Envelope?.Body?.logoutResponse
  return status === 500 ? isFault : status === 200 && isGood !== undefined
}

/** Collecting garbage may fall into any request, so a slow one is sent again. */
async function isFine(url: string, payload: string | Buffer, isZipped = false): Promise<boolean> {
  let cpuMs = Number.POSITIVE_INFINITY
  for (let i = 0; i < 5 && cpuMs > CPU_MS; i += 1) {
    const seen = await send(url, payload, isZipped)
    const { statusCode, payload: text } = seen.answer
    if (!isSoapAnswer(statusCode, text) || text.includes('UNKNOWN_EXCEPTION')) return false
    cpuMs = seen.cpuMs
  }
  return cpuMs <= CPU_MS
}

t.test('the heaviest bodies are answered at once', async (t) => {
  for (const heavy of HEAVY) {
    t.ok(await isFine('/services/Soap/u/60.0', heavy), JSON.stringify(heavy.slice(0, 20)))
    t.ok(await isFine('/services/Soap/u/60.0', heavy, true), 'compressed')
  }
})

t.test('any body is answered with a token or a well-formed fault', async (t) => {
  const property = fc.asyncProperty(path, body, fc.boolean(), (url, sent, isZipped) =>
    isFine(url, sent, isZipped),
  )
  await t.resolves(fc.assert(property, { numRuns: RUNS }))
})

t.test('no bug was behind an answer, and nothing of a body is in the log', async (t) => {
  const lines = broker.logs().split('\n')
  t.same(
    lines.filter((line) => line.includes('"code":"internal"')),
    [],
  )
  t.notMatch(broker.logs(), key.key.slice(12))
  t.ok(process.memoryUsage().rss < 1_000_000_000)
})
