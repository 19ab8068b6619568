import t from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import {
  assumedLife,
  configuredExpiry,
  expiryOf,
  isUsable,
  lastsLong,
  learningYieldMs,
  refreshAtOf,
  tokenIdOf,
} from '../../../src/tokens/serve/lease.ts'

const host = 'https://acme.my.salesforce.com'
const answer = { accessToken: new Secret('00D!x'), issuer: host, instanceUrl: host }

t.test('a token id is the first 16 bytes of the SHA-256 of the token', async (t) => {
  t.equal(tokenIdOf(new Secret('abc')), 'ungWv48Bz-pBQUDeXa4iIw')
})

t.test('a lease serves while it is good for as long as asked', async (t) => {
  const lease = { mintedAt: 0, expiresAt: 900_000 }
  t.ok(isUsable(lease, 870_000, 30_000))
  t.notOk(isUsable(lease, 870_001, 30_000))
})

t.test('no caller can ask for more than a tenth of its lifetime', async (t) => {
  const lease = { mintedAt: 0, expiresAt: 6_000 }
  t.ok(isUsable(lease, 5_400, 3_600_000))
  t.notOk(isUsable(lease, 5_401, 3_600_000))
})

t.test('a lease is never served at or past its expiry', async (t) => {
  const lease = { mintedAt: 0, expiresAt: 6_000 }
  t.ok(isUsable(lease, 5_999, 0))
  t.notOk(isUsable(lease, 6_000, 0))
})

t.test('expires_in goes before the end that the token itself states', async (t) => {
  t.same(expiryOf({ ...answer, expiresInSeconds: 60, tokenExpiresAt: 5 }, 1_000), {
    expiresAt: 61_000,
    source: 'expires_in',
  })
  t.same(expiryOf({ ...answer, tokenExpiresAt: 5_000 }, 1_000), {
    expiresAt: 5_000,
    source: 'token_exp',
  })
  t.equal(expiryOf(answer, 1_000), undefined)
})

t.test('a configured lifetime counts half', async (t) => {
  t.same(configuredExpiry(1_000, 900), { expiresAt: 451_000, source: 'configured' })
})

t.test('the life of a token is learned early in the assumption', async (t) => {
  const usual = assumedLife(1_000, 900)
  t.same(usual, { expiresAt: 451_000, source: 'configured', learnBy: 36_000 })
  t.equal(learningYieldMs(usual, 1_000), 20_000)
  t.equal(learningYieldMs(usual, 20_999), 1)
  t.equal(learningYieldMs(usual, 22_000), 0)
  t.equal(learningYieldMs(assumedLife(1_000, 60), 1_000), 1_500, 'a twentieth of it')
})

t.test('a refresh is due between 70 and 80 % of the life', async (t) => {
  t.equal(refreshAtOf(1_000, 101_000, { random: () => 0 }), 71_000)
  t.equal(refreshAtOf(1_000, 101_000, { random: () => 1 }), 81_000)
})

t.test('a refresh begins earlier by what a signer takes, and not before half of the life', (t) => {
  const at = (signatureMs: number) => refreshAtOf(1_000, 11_000, { random: () => 0, signatureMs })
  t.equal(at(1_500), 6_500)
  t.equal(at(2_900), 6_000)
  t.end()
})

t.test('a lease lasts long enough for a client that keeps it', async (t) => {
  const at = (lifeMs: number, leftMs: number, marginMs?: number) =>
    lastsLong({ mintedAt: 0, expiresAt: lifeMs }, lifeMs - leftMs, marginMs)
  t.equal(at(300_000, 120_000), true)
  t.equal(at(300_000, 119_999), false)
  t.equal(at(300_000, 149_999, 30_000), false)
  t.equal(at(299_999, 1), true, 'another one would last no longer')
})
