import t from 'tap'
import { HOPS, type Hop, PLACES } from '../../../src/http/outbound/hop.ts'
import { wordsOf } from '../../../src/http/outbound/hop-words.ts'

const HOST = 'acme.my.salesforce.com'
const CODES = ['ENOTFOUND', 'ECONNREFUSED', 'ETIMEDOUT', 'UND_ERR_SOCKET', 'EPROTO', 'HPE_INVALID']
const STATUSES = [400, 401, 403, 404, 405, 407, 429, 500, 501, 502, 503, 504, 599]

const EVERY: readonly Hop[] = PLACES.flatMap((at) =>
  HOPS[at].flatMap((step) => [
    { at, step },
    ...CODES.map((code) => ({ at, step, code })),
    ...(step === 'tunnel' ? STATUSES.map((status) => ({ at, step, status })) : []),
  ]),
)

t.test('every hop has a sentence and a remedy, and what is known is in it', async (t) => {
  for (const hop of EVERY) {
    const { detail, remedy } = wordsOf(hop, HOST)
    const name = JSON.stringify(hop)
    t.match(detail, /^\S.*[^.]\.$/, name)
    t.match(remedy, /^[A-Z].*\.$/, name)
    if (hop.code) t.ok(detail.includes(`(${hop.code})`), name)
    if (hop.status) t.ok(detail.includes(`(status ${hop.status})`), name)
  }
})

t.test(
  'what is the matter with the proxy is never put down to the host, nor the other way',
  async (t) => {
    for (const hop of EVERY) {
      const { detail } = wordsOf(hop, HOST)
      t.equal(/HTTPS_PROXY/.test(detail), hop.at === 'proxy', JSON.stringify(hop))
      if (hop.at === 'host') t.ok(detail.includes(HOST), JSON.stringify(hop))
    }
  },
)

t.test('a certificate is named only where one may be the cause', async (t) => {
  const tls = (code: string) => wordsOf({ at: 'host', step: 'tls', code }, HOST).detail
  for (const code of ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ERR_TLS_CERT_ALTNAME_INVALID']) {
    t.match(tls(code), /certificate .* not trusted/)
  }
  for (const code of ['ECONNRESET', 'EPROTO', 'ETIMEDOUT']) t.notMatch(tls(code), /certificate/)
})
