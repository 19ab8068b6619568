/** A proof verifies with a library that shares nothing with ours, and has the members of RFC 9449. */
import { createPublicKey, generateKeyPairSync, randomUUID, verify } from 'node:crypto'
import { calculateJwkThumbprint, decodeProtectedHeader, EmbeddedJWK, jwtVerify } from 'jose'
import t from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { generateDpopKey, openDpopKey } from '../../src/dpop/dpop-key.ts'
import { athOf, htuOf, signProof } from '../../src/dpop/proof.ts'
import { NO_SIGNERS } from '../support/no-signers.ts'

const NOW = 1_790_000_000_500
const dependencies = { now: () => NOW, uniqueId: randomUUID, signers: NO_SIGNERS }
/** Bytes of each number of a signature. */
const NUMBER = 32
const URL = 'https://acme.my.salesforce.com/services/data/v65.0/query?q=SELECT+Id#top'

const verified = (proof: string) =>
  jwtVerify(proof, EmbeddedJWK, { typ: 'dpop+jwt', algorithms: ['ES256'] })

t.test('a proof has the members of the standard, and its own key verifies it', async (t) => {
  const key = openDpopKey(generateDpopKey())
  const ath = athOf(new Secret('Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU'))
  const proof = await signProof(key, { method: 'POST', url: URL, ath, nonce: 'n-1' }, dependencies)
  const { payload, protectedHeader } = await verified(proof)
  const { jti, ...claims } = payload
  t.match(jti, /^[0-9a-f-]{36}$/)
  t.same(claims, {
    htm: 'POST',
    htu: 'https://acme.my.salesforce.com/services/data/v65.0/query',
    iat: 1_790_000_000,
    // The example of RFC 9449, section 7.
    ath: 'fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo',
    nonce: 'n-1',
  })
  t.same(Object.keys(protectedHeader).sort(), ['alg', 'jwk', 'typ'])
  const { jwk = {} } = decodeProtectedHeader(proof)
  t.same(Object.keys(jwk).sort(), ['crv', 'kty', 'x', 'y'], 'no private member')
  t.equal(await calculateJwkThumbprint(jwk, 'sha256'), key.thumbprint)
})

t.test('what is absent has no member, and each proof has its own jti', async (t) => {
  const key = openDpopKey(generateDpopKey())
  const sign = async () =>
    signProof(key, { method: 'GET', url: 'https://a.example/b' }, dependencies)
  const { payload: one } = await verified(await sign())
  const { payload: other } = await verified(await sign())
  t.same(Object.keys(one).sort(), ['htm', 'htu', 'iat', 'jti'])
  t.not(one.jti, other.jti)
})

t.test('a signature with a small number has its full length too', async (t) => {
  const stored = generateDpopKey()
  const key = openDpopKey(stored)
  const form = { key: createPublicKey(stored.privateKey), dsaEncoding: 'ieee-p1363' } as const
  let small = 0
  // One in 128 has such a number.
  for (let count = 0; count < 2_000; count += 1) {
    const proof = await signProof(key, { method: 'GET', url: URL }, dependencies)
    const end = proof.lastIndexOf('.')
    const signature = Buffer.from(proof.slice(end + 1), 'base64url')
    if (signature[0] !== 0 && signature[NUMBER] !== 0) continue
    small += 1
    t.equal(signature.length, 2 * NUMBER)
    t.ok(verify('sha256', Buffer.from(proof.slice(0, end)), form, signature))
  }
  t.ok(small > 0)
})

t.test('of the URL, query and fragment are cut, and nothing else is changed', async (t) => {
  const cases = [
    ['https://a.example', 'https://a.example'],
    ['https://a.example/', 'https://a.example/'],
    ['https://A.example:443/x%2fy/../z?a=1', 'https://A.example:443/x%2fy/../z'],
    ['https://a.example/x#f?g', 'https://a.example/x'],
    ['https://a.example?x', 'https://a.example'],
  ] as const
  for (const [url, htu] of cases) t.equal(htuOf(url), htu)
})

t.test('a stored key is opened once, and only one of P-256', async (t) => {
  const stored = generateDpopKey()
  t.equal(openDpopKey(stored), openDpopKey(stored))
  t.equal(openDpopKey({ ...stored }).thumbprint, stored.thumbprint)
  t.not(generateDpopKey().thumbprint, stored.thumbprint)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  t.throws(() => openDpopKey({ thumbprint: 'x', privateKey: pem }), /P-256/)
})
