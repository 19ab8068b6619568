/** A request with a proof: its nonce is learned and sent, and one challenge is followed. */
import { decodeJwt } from 'jose'
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { generateDpopKey } from '../../src/dpop/dpop-key.ts'
import { createDpopNonces } from '../../src/dpop/nonces.ts'
import { createProvenOutbound } from '../../src/dpop/proven-outbound.ts'
import type { OutboundOutcome, OutboundRequest } from '../../src/http/outbound/outbound.ts'
import type { AnnouncedChange } from '../../src/store/records.ts'
import { NO_SIGNERS } from '../support/no-signers.ts'

const URL_ = 'https://acme.my.salesforce.com/services/oauth2/token'
const key = generateDpopKey()

type Part = Partial<{ status: number; nonce: string; asked: string; body: string }>

const answerOf = ({ status = 200, nonce, asked, body = '{}' }: Part): OutboundOutcome => ({
  ...{ ok: true, status, body: Buffer.from(body) },
  headers: {
    ...(nonce !== undefined && { 'dpop-nonce': nonce }),
    ...(asked !== undefined && { 'www-authenticate': asked }),
  },
})

function sender(...answers: readonly (Part | 'unreachable')[]) {
  const sent: OutboundRequest[] = []
  const told: AnnouncedChange[] = []
  const nonces = createDpopNonces({
    changes: { announce: async (change) => void told.push(change) },
    ...{ uniqueId: () => 'self', log: { warn: () => undefined } },
  })
  const outbound = createProvenOutbound({
    signers: NO_SIGNERS,
    outbound: {
      async send(request) {
        sent.push(request)
        const answer = answers[sent.length - 1]
        if (!answer) throw new Error('One request more than expected')
        return answer === 'unreachable' ? { ok: false, reason: 'unreachable' } : answerOf(answer)
      },
    },
    ...{ nonces, nowAt: () => 5_000, uniqueId: () => `id-${sent.length}` },
  })
  const proofs = () => sent.map(({ headers }) => headers?.dpop && decodeJwt(headers.dpop))
  return { ...{ outbound, nonces, told, sent, proofs } }
}

const CHALLENGE = { status: 400, nonce: 'n1', body: '{"error":"use_dpop_nonce"}' }

t.test('without a key, a request is sent as it is', async (t) => {
  const { outbound, sent } = sender(CHALLENGE)
  const request = { url: URL_, headers: { accept: 'x' } }
  t.equal((await outbound.send(request)).ok, true)
  t.same(sent, [request])
})

t.test('a challenge is followed once, with a new proof', async (t) => {
  const forms: readonly Part[] = [
    CHALLENGE,
    { status: 401, nonce: 'n1', asked: 'DPoP error="use_dpop_nonce"' },
  ]
  for (const form of forms) {
    const { outbound, proofs, told } = sender(form, { nonce: 'n2' }, {})
    t.match(await outbound.send({ url: URL_, method: 'POST' }, { key }), { status: 200 })
    t.match(proofs(), [
      { jti: 'id-0', htm: 'POST', htu: URL_, iat: 5, nonce: undefined },
      { jti: 'id-1', nonce: 'n1' },
    ])
    await outbound.send({ url: URL_, method: 'POST' }, { key })
    t.match(proofs()[2], { nonce: 'n2' }, 'the nonce of a success is taken over')
    const { thumbprint } = key
    const host = 'acme.my.salesforce.com'
    const from = { type: 'nonce', thumbprint, host, by: 'self' }
    t.same(told, [
      { ...from, nonce: 'n1' },
      { ...from, nonce: 'n2' },
    ])
  }
})

t.test('a second challenge is the answer', async (t) => {
  const { outbound, sent } = sender(CHALLENGE, { ...CHALLENGE, nonce: 'n2' })
  t.match(await outbound.send({ url: URL_ }, { key }), { status: 400 })
  t.equal(sent.length, 2)
})

t.test('nothing else is sent twice', async (t) => {
  const others: readonly (Part | 'unreachable')[] = [
    { status: 400, nonce: 'n1', body: '{"error":"invalid_grant"}' },
    { status: 403, nonce: 'n1', body: '{"error":"use_dpop_nonce"}' },
    { status: 400, body: '{"error":"use_dpop_nonce"}' },
    { status: 400, nonce: '', body: '{"error":"use_dpop_nonce"}' },
    { status: 200, nonce: 'n1', body: 'use_dpop_nonce' },
    'unreachable',
  ]
  for (const other of others) {
    const { outbound, sent } = sender(other)
    await outbound.send({ url: URL_ }, { key })
    t.equal(sent.length, 1, JSON.stringify(other))
  }
})

t.test('nonces belong to a key and a host, and the last one counts', async (t) => {
  const { outbound, nonces, proofs } = sender({}, {}, {})
  const { thumbprint } = key
  const host = 'acme.my.salesforce.com'
  const hear = (nonce: string, by = 'other') =>
    nonces.heard({ type: 'nonce', thumbprint, host, nonce, by })
  hear('first')
  hear('last')
  hear('has a space')
  hear('x'.repeat(513))
  hear('its own, heard late'.replaceAll(' ', '-'), 'self')
  nonces.heard({ type: 'custody', name: 'billing' })
  const accessToken = new Secret('token')
  await outbound.send({ url: URL_ }, { key, accessToken })
  await outbound.send({ url: 'https://other.my.salesforce.com/' }, { key })
  await outbound.send({ url: URL_ }, { key: generateDpopKey() })
  t.match(proofs(), [
    { nonce: 'last', ath: 'PEaenWxYddN6Q_NT1PiOYfz4EsZu7jRXRlpAsNpBU-A' },
    { nonce: undefined, ath: undefined },
    { nonce: undefined },
  ])
})

t.test('of many nonces, the oldest are dropped', async (t) => {
  const { nonces } = sender()
  for (let count = 0; count < 10_001; count += 1) {
    nonces.learn({ thumbprint: 'k', host: `h${count}`, nonce: 'n' })
  }
  t.equal(nonces.of('k', 'h0'), undefined)
  t.equal(nonces.of('k', 'h1'), 'n')
})
