/** Signatures in turn and in time, by a signer of a test: what rests, who may try, and what is never handed out. */
import { generateKeyPairSync, sign } from 'node:crypto'
import t from 'tap'
import type { RemoteKey, SigningBackend } from '../../src/signers/remote-key.ts'
import { restOf } from '../../src/signers/secret-reference.ts'
import { createSigners } from '../../src/signers/signers.ts'
import { signerAway, signingRefused } from '../../src/signers/signing-problem.ts'
import { createSlots } from '../../src/signers/slots.ts'
import { testLog } from '../support/runtime.ts'

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pemOf = ({ publicKey }: typeof pair) =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString()
const KEY: RemoteKey = { name: 's', key: 'k', keyVersion: 1, publicKey: pemOf(pair) }
const DATA = Buffer.from('signed')

function signersBy(
  sign: SigningBackend['sign'],
  members: Partial<SigningBackend> = {},
  timeoutMs = 200,
) {
  let clock = 0
  const outcomes: string[] = []
  const lines: string[] = []
  const publicKeys = async () => [
    { version: 1, pem: pemOf(pair) },
    { version: 2, pem: pemOf(other) },
  ]
  const signers = createSigners({
    settings: [
      {
        ...{ name: 's', type: 'vault_transit', address: 'https://vault', mount: 'transit' },
        ...{
          keys: ['k*'],
          secrets: ['secret/*'],
          integrations: ['team-*'],
          timeoutMs,
          signaturesAtOnce: 2,
        },
        auth: { type: 'token_file', tokenFile: '/token' },
      },
    ],
    backendOf: () => ({ sign, publicKeys, ...members }),
    monotonic: () => clock,
    meter: { signed: (_signer, outcome) => outcomes.push(outcome) },
    log: testLog({
      info: (_bindings, message) => lines.push(message),
      warn: (_bindings, message) => lines.push(message),
    }),
  })
  const pass = (ms: number) => {
    clock += ms
  }
  return { signers, outcomes, lines, pass }
}

const good: SigningBackend['sign'] = async (_key, data) => sign('sha256', data, pair.privateKey)

t.test('a signature of another key, or of another kind, is not handed out', async (t) => {
  const wrong: readonly SigningBackend['sign'][] = [
    async (_key, data) => sign('sha256', data, other.privateKey),
    async (_key, data) => sign('sha256', data, { key: pair.privateKey, padding: 6 }),
    async () => Buffer.from('no signature'),
    async (_key, data) => sign('sha512', data, pair.privateKey),
  ]
  for (const way of wrong) {
    const { signers, outcomes } = signersBy(way)
    await t.rejects(signers.sign(KEY, DATA), { code: 'signing_refused' })
    t.same(outcomes, ['refused'])
  }
  t.equal((await signersBy(good).signers.sign(KEY, DATA)).length, 256)
})

t.test('a signature of P-256 has both numbers, whatever the signer makes', async (t) => {
  const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const publicKey = curve.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const key: RemoteKey = { ...KEY, publicKey, algorithm: 'ES256' }
  const way =
    (dsaEncoding: 'der' | 'ieee-p1363'): SigningBackend['sign'] =>
    async (_key, data) =>
      sign('sha256', data, { key: curve.privateKey, dsaEncoding })
  t.equal((await signersBy(way('ieee-p1363')).signers.sign(key, DATA)).length, 64)
  for (const wrong of [way('der'), good]) {
    await t.rejects(signersBy(wrong).signers.sign(key, DATA), {
      code: 'signing_refused',
      remedy: /dpop\.key_storage/,
    })
  }
})

t.test(
  'a signer that is away rests: one tries again, the others are refused at once',
  async (t) => {
    let isAway = true
    let asked = 0
    const { signers, outcomes, lines, pass } = signersBy(async (key, data, signal) => {
      asked += 1
      if (isAway) throw signerAway('s', 'is away')
      return good(key, data, signal)
    })
    const elsewhere = { ...KEY, key: 'k2' }
    await t.rejects(signers.sign(KEY, DATA), { code: 'signer_unavailable', retryAfterMs: 1_000 })
    t.ok(signers.isResting(elsewhere), 'with all of its keys')
    await t.rejects(signers.sign(elsewhere, DATA), { code: 'signer_unavailable', isTold: true })
    await t.rejects(signers.ready(KEY), { code: 'signer_unavailable' })
    t.equal(asked, 1)
    for (const pauseMs of [1_000, 2_000, 4_000, 4_000]) {
      pass(pauseMs - 1)
      await t.rejects(signers.ready(KEY), { code: 'signer_unavailable' })
      pass(1)
      await t.rejects(Promise.all([signers.ready(KEY), signers.ready(KEY)]), {
        code: 'signer_unavailable',
      })
    }
    t.equal(asked, 5, 'one for each pause')
    isAway = false
    pass(4_000)
    await signers.ready(KEY)
    t.notOk(signers.isResting(KEY))
    await signers.ready(KEY)
    t.equal(asked, 6, 'a signer that signs is not asked for a proof')
    t.same(lines, ['a signer fails', 'a signer signs again'])
    t.same(outcomes, [...Array(5).fill('unavailable'), 'signed'])
  },
)

/** It is told already, so the log need not say it again. */
const REFUSED = { code: 'signing_refused', isTold: true, remedy: 'Make it.' }

t.test('a key that is refused rests alone', async (t) => {
  const { signers } = signersBy(async (key, data, signal) => {
    if (key.key === 'k') throw signingRefused('s', 'has no such key', { remedy: 'Make it.' })
    return good(key, data, signal)
  })
  await t.rejects(signers.sign(KEY, DATA), { code: 'signing_refused', remedy: 'Make it.' })
  await t.rejects(signers.sign(KEY, DATA), REFUSED)
  t.equal((await signers.sign({ ...KEY, key: 'k2' }, DATA)).length, 256)
  t.equal(signers.isResting({ name: 's', key: 'k2' }), false)
})

t.test('a key that the file does not list any more is not used', async (t) => {
  const { signers, outcomes } = signersBy(good)
  await t.rejects(signers.sign({ ...KEY, key: 'x' }, DATA), {
    code: 'signing_refused',
    detail: 'The signer s may not be asked for the key x',
  })
  await t.rejects(signers.sign({ ...KEY, name: 'none' }, DATA), {
    code: 'signing_refused',
    detail: 'The signer none is not in the file of VALETKEY_SIGNERS',
  })
  t.same(outcomes, [], 'nobody is asked')
})

t.test('no more than so many signatures run at once, and all end in time', async (t) => {
  let running = 0
  let most = 0
  const { signers } = signersBy(
    async (key, data, signal) => {
      running += 1
      most = Math.max(most, running)
      await new Promise((done) => setImmediate(done))
      running -= 1
      return good(key, data, signal)
    },
    {},
    30_000,
  )
  await Promise.all(Array.from({ length: 20 }, () => signers.sign(KEY, DATA)))
  t.equal(most, 2)
  const never = signersBy(() => new Promise(() => undefined))
  const ends = await Promise.allSettled([1, 2, 3].map(() => never.signers.sign(KEY, DATA)))
  for (const end of ends)
    t.match(end, { status: 'rejected', reason: { code: 'signer_unavailable' } })
})

t.test('what a signature takes is known, and a slow one is remembered for a while', async (t) => {
  let slowMs = 400
  const { signers, pass } = signersBy(async (...asked) => {
    pass(slowMs)
    return good(...asked)
  })
  t.equal(signers.signatureMs(KEY), 0)
  await signers.sign(KEY, DATA)
  t.equal(signers.signatureMs(KEY), 400)
  slowMs = 10
  await signers.sign(KEY, DATA)
  t.equal(signers.signatureMs(KEY), 360)
})

t.test('a wait for a turn that is given up takes no turn', async (t) => {
  const slots = createSlots(1)
  const held = Promise.withResolvers<void>()
  const never = new AbortController().signal
  const first = slots.run(() => held.promise, never)
  const gone = new AbortController()
  const second = slots.run(async () => t.fail('nobody waits for it'), gone.signal)
  gone.abort(new Error('gone'))
  await t.rejects(second, { message: 'gone' })
  const third = slots.run(async () => 'third', never)
  held.resolve()
  await first
  t.equal(await third, 'third')
  t.equal(await slots.run(async () => 'fourth', never), 'fourth')
})

t.test('the file says which integration may use which key', async (t) => {
  const { signers } = signersBy(good)
  const find = (key: object, integration: string) =>
    signers.find({ name: 's', key: 'k', ...key }, { integration })
  t.match(await find({}, 'team-a'), { keyVersion: 2 }, 'the newest version')
  t.match(await find({ keyVersion: 1 }, 'team-a'), { publicKey: pemOf(pair) })
  const certified = { integration: 'team-a', certified: pair.publicKey }
  t.match(await signers.find({ name: 's', key: 'k' }, certified), { keyVersion: 1 })
  for (const [key, integration] of [
    [{}, 'other'],
    [{ key: 'x' }, 'team-a'],
    [{ name: 'none' }, 'team-a'],
    [{ keyVersion: 7 }, 'team-a'],
  ] as const) {
    await t.rejects(find(key, integration), { code: 'credential_invalid' })
  }
  await t.rejects(signers.find({ name: 's', key: 'k' }, NEW), {
    code: 'credential_invalid',
    detail: 'signer: The signer s has no versions of a key',
  })
  t.equal(signers.makesVersions('s'), false)
  t.equal(signers.makesVersions('none'), true, 'of an unknown signer, another check says more')
})

const NEW = { integration: 'team-a', isNew: true }

t.test('a key that does not sign gets no new version, however often it is asked for', async (t) => {
  let rotations = 0
  let signs = false
  const versions = [{ version: 1, pem: pemOf(pair) }]
  const members: Partial<SigningBackend> = {
    publicKeys: async () => versions,
    async rotate() {
      rotations += 1
      versions.push({ version: versions.length + 1, pem: pemOf(pair) })
    },
  }
  const { signers, pass } = signersBy(async (key, data, signal) => {
    if (!signs) throw signingRefused('s', 'denies it')
    return good(key, data, signal)
  }, members)
  t.equal(signers.makesVersions('s'), true)
  for (let count = 0; count < 3; count += 1) {
    const asked = signers.find({ name: 's', key: 'k' }, NEW)
    await t.rejects(asked, { code: 'credential_invalid', detail: 'signer: The signer s denies it' })
    pass(60_000)
  }
  t.equal(rotations, 0)
  signs = true
  t.match(await signers.find({ name: 's', key: 'k' }, NEW), { keyVersion: 2 })
  t.equal(rotations, 1)
})

t.test('who looks for a key waits for an absent signer once', async (t) => {
  let asked = 0
  let isAway = true
  const { signers, pass } = signersBy(good, {
    async publicKeys() {
      asked += 1
      if (isAway) throw signerAway('s', 'is away')
      return [{ version: 1, pem: pemOf(pair) }]
    },
  })
  const find = () => signers.find({ name: 's', key: 'k' }, { integration: 'team-a' })
  for (let count = 0; count < 5; count += 1) {
    await t.rejects(find(), { code: 'signer_unavailable' })
  }
  t.equal(asked, 1)
  t.ok(signers.isResting(KEY), 'and so does who signs')
  isAway = false
  pass(1_000)
  t.match(await find(), { keyVersion: 1 })
  t.notOk(signers.isResting(KEY))
})

t.test('a version of a secret that is gone does not keep the newest one back', async (t) => {
  const { signers } = signersBy(good, {
    async read(_path, version) {
      if (version !== undefined) throw signingRefused('s', 'has no version 1 of it: destroyed')
      return { fields: new Map(), version: 2 }
    },
  })
  const place = { name: 's', path: 'secret/data/billing' }
  await t.rejects(signers.contentAt({ ...place, version: 1 }), { code: 'signing_refused' })
  t.match(await signers.contentAt(place), { version: 2 })
})

t.test('secrets that are not there take up little memory', async (t) => {
  const { signers } = signersBy(good, {
    async read(path) {
      throw signingRefused('s', `has no secret ${path}`)
    },
  })
  const restOfNumber = (number: number) => restOf({ name: 's', path: `secret/data/${number}` })
  for (let number = 0; number <= 1_000; number += 1) {
    const asked = signers.contentAt({ name: 's', path: `secret/data/${number}` })
    await t.rejects(asked, { code: 'signing_refused' })
  }
  t.notOk(signers.isResting(restOfNumber(0)), 'the oldest one is forgotten')
  t.ok(signers.isResting(restOfNumber(1)))
  t.ok(signers.isResting(restOfNumber(1_000)))
})
