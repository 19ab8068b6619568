import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { CompactEncrypt, compactDecrypt, importJWK } from 'jose'
import t from 'tap'
import {
  createKeyring,
  generateKeyring,
  type Keyring,
  keyringOf,
  sealedWith,
} from '../../src/crypto/keyring.ts'
import { isOutside, parseKeyring, type SealingKey } from '../../src/crypto/keyring-text.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { BrokerError } from '../../src/errors/errors.ts'

const key = (id: string): SealingKey => ({ id, key: new Uint8Array(randomBytes(32)) })

/** What `open` does: the text, or the code of the BrokerError. Anything else is thrown on. */
async function outcome(keyring: Keyring, record: string, jwe: string): Promise<string> {
  try {
    return `opened ${await keyring.open(record, jwe)}`
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    return error.code
  }
}

const header = (jwe: string) =>
  JSON.parse(Buffer.from(jwe.split('.')[0] ?? '', 'base64url').toString())

t.test('opens what it sealed, whatever the text and the record', async (t) => {
  const keyring = createKeyring([key('a')])
  await fc.assert(
    fc.asyncProperty(
      fc.string({ unit: 'grapheme', minLength: 1 }),
      fc.string({ unit: 'grapheme' }),
      async (record, text) =>
        (await keyring.open(record, await keyring.seal(record, text))) === text,
    ),
    { numRuns: 100 },
  )
  t.pass()
})

t.test('seals as A256KW and A256GCM, and names the key and the record', async (t) => {
  const keyring = createKeyring([key('new'), key('old')])
  const jwe = await keyring.seal('integrations/billing', 'text')
  t.strictSame(header(jwe), {
    alg: 'A256KW',
    enc: 'A256GCM',
    kid: 'new',
    rec: 'integrations/billing',
  })
  t.equal(sealedWith(jwe), 'new')
  t.equal(keyring.sealingKeyId, 'new')
  t.strictSame(keyring.keyIds, ['new', 'old'])
  t.not(await keyring.seal('integrations/billing', 'text'), jwe, 'never the same twice')
})

t.test('seals and opens what jose opens and seals, as former releases do', async (t) => {
  const own = key('a')
  const keyring = createKeyring([own])
  const header = { alg: 'A256KW', enc: 'A256GCM', kid: 'a', rec: 'r' }
  const text = 'Grüße '.repeat(500)
  for (const plaintext of ['', 'text', text]) {
    const sealed = await keyring.seal('r', plaintext)
    const opened = await compactDecrypt(sealed, own.key)
    t.equal(Buffer.from(opened.plaintext).toString(), plaintext)
    t.strictSame(opened.protectedHeader, header)
    const former = await new CompactEncrypt(Buffer.from(plaintext))
      .setProtectedHeader(header)
      .encrypt(own.key)
    t.equal(await keyring.open('r', former), plaintext)
  }
})

t.test('seals and opens on its own thread, and does not wait for the thread pool', async (t) => {
  const keyring = createKeyring([key('a')])
  let hasWaited = false
  setImmediate(() => {
    hasWaited = true
  })
  t.equal(await keyring.open('r', await keyring.seal('r', 'text')), 'text')
  t.notOk(hasWaited)
})

t.test('opens with every key of the ring, and only with the one that kid names', async (t) => {
  const [first, second] = [key('a'), key('b')]
  const jwe = await createKeyring([second]).seal('r', 'text')
  t.equal(await outcome(createKeyring([first, second]), 'r', jwe), 'opened text')
  t.equal(await outcome(createKeyring([first]), 'r', jwe), 'record_corrupt', 'unknown kid')
  const renamed = createKeyring([key('b'), { id: 'c', key: second.key }])
  t.equal(await outcome(renamed, 'r', jwe), 'record_corrupt', 'the key under another id')
})

t.test('refuses each of 1,000 mutations', async (t) => {
  const keyring = createKeyring([key('a'), key('b')])
  const sealed = await keyring.seal('r', 'a text of some length')
  const base64url = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.'
  const position = fc.nat({ max: sealed.length - 1 })
  const letter = fc.constantFrom(...base64url, '=', ' ', '\0', 'é')
  const mutation = fc.oneof(
    fc.tuple(position, letter).map(([at, by]) => sealed.slice(0, at) + by + sealed.slice(at + 1)),
    fc.tuple(position, letter).map(([at, by]) => sealed.slice(0, at) + by + sealed.slice(at)),
    position.map((at) => sealed.slice(0, at) + sealed.slice(at + 1)),
    position.map((at) => sealed.slice(0, at)),
    letter.map((by) => sealed + by),
    fc.tuple(fc.nat(4), fc.nat(4)).map(([from, to]) => {
      const segments = sealed.split('.')
      segments[to] = segments[from] ?? ''
      return segments.join('.')
    }),
  )
  let tried = 0
  await fc.assert(
    fc.asyncProperty(
      mutation.filter((jwe) => jwe !== sealed),
      async (jwe) => {
        tried++
        return (await outcome(keyring, 'r', jwe)) === 'record_corrupt'
      },
    ),
    { numRuns: 1_000 },
  )
  t.ok(tried >= 1_000)
})

t.test(
  'refuses another spelling of the same bytes in the last character of a segment',
  async (t) => {
    const keyring = createKeyring([key('a')])
    const sealed = await keyring.seal('r', 'x')
    for (const index of [1, 3, 4]) {
      const segments = sealed.split('.')
      const segment = segments[index] ?? ''
      const bytes = Buffer.from(segment, 'base64url')
      const twin = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_']
        .map((letter) => segment.slice(0, -1) + letter)
        .find((text) => text !== segment && Buffer.from(text, 'base64url').equals(bytes))
      t.ok(twin, 'there is a twin')
      segments[index] = twin ?? ''
      t.equal(await outcome(keyring, 'r', segments.join('.')), 'record_corrupt')
    }
  },
)

t.test('seals anew for the same record, with the key that seals now', async (t) => {
  const [fresh, old] = [key('fresh'), key('old')]
  const before = await createKeyring([old]).seal('integrations/billing', 'text')
  const keyring = createKeyring([fresh, old])
  const after = await keyring.reseal(before)
  t.equal(sealedWith(before), 'old')
  t.equal(sealedWith(before.split('.')[0] ?? ''), 'old', 'of its head alone, too')
  t.equal(sealedWith(after), 'fresh')
  t.equal(await createKeyring([fresh]).open('integrations/billing', after), 'text')
  t.equal(await outcome(createKeyring([fresh]), 'integrations/other', after), 'record_corrupt')
  for (const wrong of ['garbage', `${before.slice(0, -1)}!`, before.replace('.', '.A')]) {
    await t.rejects(keyring.reseal(wrong), { code: 'record_corrupt' })
  }
  await t.rejects(createKeyring([fresh]).reseal(before), { code: 'record_corrupt' })
})

t.test('refuses any garbage, and only ever with record_corrupt', async (t) => {
  const keyring = createKeyring([key('a')])
  const text = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(fc.base64String(), { minLength: 5, maxLength: 5 }).map((parts) => parts.join('.')),
    fc.json().map((json) => `${Buffer.from(json).toString('base64url')}.AAAA.AAAA.AAAA.AAAA`),
  )
  await fc.assert(
    fc.asyncProperty(text, async (jwe) => (await outcome(keyring, 'r', jwe)) === 'record_corrupt'),
    { numRuns: 500 },
  )
  t.equal(sealedWith('garbage'), undefined)
  t.equal(sealedWith('bnVsbA....'), undefined, 'a header of null')
})

t.test('refuses a record that was pasted over another', async (t) => {
  const keyring = createKeyring([key('a')])
  const jwe = await keyring.seal('integrations/one', 'text')
  for (const record of ['integrations/two', 'integrations/One', 'integrations/one ', '']) {
    t.equal(await outcome(keyring, record, jwe), 'record_corrupt', JSON.stringify(record))
  }
})

t.test('names the record, keeps the cause for the log, and repeats nothing else', async (t) => {
  const keyring = createKeyring([key('a')])
  const error = await keyring.open('integrations/billing', 'canary.b.c.d.e').then(
    () => undefined,
    (error: unknown) => error,
  )
  if (!(error instanceof BrokerError)) throw new Error('no BrokerError')
  t.match(error.detail, 'integrations/billing')
  t.ok(error.cause instanceof Error)
  t.notMatch(error.detail, 'canary')
})

t.test('knows no key by a name that every object has', async (t) => {
  const keyring = createKeyring([key('a')])
  const attacker = key('attacker')
  for (const kid of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'a\0']) {
    const jwe = await new CompactEncrypt(Buffer.from('forged'))
      .setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM', kid, rec: 'r' })
      .encrypt(attacker.key)
    t.equal(await outcome(keyring, 'r', jwe), 'record_corrupt', JSON.stringify(kid))
  }
})

t.test('refuses every other algorithm, even made with the right key', async (t) => {
  const own = key('a')
  const keyring = createKeyring([own])
  const rsa = await crypto.subtle.generateKey(
    {
      name: 'RSA-OAEP',
      hash: 'SHA-256',
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
    },
    true,
    ['encrypt', 'decrypt'],
  )
  const forge = (
    alg: string,
    enc: string,
    extra: object,
    by: Parameters<CompactEncrypt['encrypt']>[0],
  ) =>
    new CompactEncrypt(Buffer.from('forged'))
      .setProtectedHeader({ alg, enc, kid: 'a', rec: 'r', ...extra })
      .encrypt(by)
  const jwk = await importJWK({ kty: 'oct', k: Buffer.from(own.key).toString('base64url') }, 'dir')
  const forged = {
    dir: await forge('dir', 'A256GCM', {}, jwk),
    A256GCMKW: await forge('A256GCMKW', 'A256GCM', {}, own.key),
    'PBES2-HS256+A128KW': await forge('PBES2-HS256+A128KW', 'A256GCM', {}, own.key),
    'RSA-OAEP-256': await forge('RSA-OAEP-256', 'A256GCM', {}, rsa.publicKey),
    'A256CBC-HS512': await forge('A256KW', 'A256CBC-HS512', {}, own.key),
    'zip bomb': await forge('A256KW', 'A256GCM', { zip: 'DEF' }, own.key),
    'extra member': await forge('A256KW', 'A256GCM', { cty: 'text' }, own.key),
  }
  for (const [name, jwe] of Object.entries(forged)) {
    t.equal(await outcome(keyring, 'r', jwe), 'record_corrupt', name)
  }
  const [, ...rest] = (await keyring.seal('r', 'text')).split('.')
  for (const alg of ['none', 'None', 'HS256', 'RSA1_5', 'ECDH-ES+A256KW', '', null, ['A256KW']]) {
    const head = Buffer.from(JSON.stringify({ alg, enc: 'A256GCM', kid: 'a', rec: 'r' }))
    const jwe = [head.toString('base64url'), ...rest].join('.')
    t.equal(await outcome(keyring, 'r', jwe), 'record_corrupt', String(alg))
  }
  t.equal(
    await outcome(keyring, 'r', await forge('A256KW', 'A256GCM', {}, own.key)),
    'opened forged',
    'the same forger with the right algorithms opens, so that the test can fail',
  )
})

t.test('reads a keyring with surrounding spaces and either base64 alphabet', async (t) => {
  const bytes = Buffer.alloc(32, 0xfb)
  const parsed = parseKeyring(`a:${bytes.toString('base64')}, b:${bytes.toString('base64url')}`)
  if (!('entries' in parsed)) throw new Error('not parsed')
  t.strictSame(
    parsed.entries.map(
      (entry) => !isOutside(entry) && [entry.id, Buffer.from(entry.key).equals(bytes)],
    ),
    [
      ['a', true],
      ['b', true],
    ],
  )
})

t.test('reads entries whose keys are outside', async (t) => {
  const own = randomBytes(32).toString('base64')
  t.match(parseKeyring(`vault-transit:main, own:${own},aws-kms:second`), {
    entries: [
      { type: 'vault_transit', name: 'main' },
      { id: 'own' },
      { type: 'aws_kms', name: 'second' },
    ],
  })
  for (const [text, mistake] of [
    ['vault-transit:Main', /^entry 1 has a name after vault-transit: that is not/],
    [`vault-transit:${own}`, /^entry 1 has a name/],
    ['vault-transit:', /^entry 1 has a name/],
    ['vault-transit:main,aws-kms:main', /^entries 1 and 2 have the same name/],
  ] as const) {
    const parsed = parseKeyring(text)
    t.match(parsed, { mistakes: [mistake] }, text)
    t.notMatch(JSON.stringify(parsed), own.slice(0, 8))
  }
  t.throws(() => keyringOf(new Secret('vault-transit:main')), TypeError)
})

t.test('learns a key that opens and verifies, and seals as before', async (t) => {
  const [own, other] = [key('own'), key('other')]
  const keyring = createKeyring([own])
  const theirs = createKeyring([other])
  const sealed = await theirs.seal('r', 'text')
  const mac = theirs.macs.make('text')
  t.equal(await outcome(keyring, 'r', sealed), 'record_corrupt')
  t.equal(keyring.macs.verifies('other', 'text', mac), undefined)
  keyring.learn(other)
  t.equal(await outcome(keyring, 'r', sealed), 'opened text')
  t.equal(keyring.macs.verifies('other', 'text', mac), true)
  t.strictSame(keyring.keyIds, ['own', 'other'])
  t.equal(header(await keyring.seal('r', 'text')).kid, 'own')
  keyring.learn({ id: 'own', key: other.key })
  t.equal(await outcome(keyring, 'r', await createKeyring([own]).seal('r', 'x')), 'opened x')
})

t.test('reports every mistake of a keyring, and never the key', async (t) => {
  const good = randomBytes(32).toString('base64')
  const short = randomBytes(31).toString('base64')
  const word = 'Canary'.repeat(8)
  const text = [`a:${good}`, `a:${good}`, '', good, `b:${short}`, `c:${word}*`, `${good}:d`].join()
  const parsed = parseKeyring(text)
  if (!('mistakes' in parsed)) throw new Error('parsed')
  t.equal(parsed.mistakes.length, 6)
  for (const part of [good.slice(0, 8), short.slice(0, 8), 'Canary']) {
    t.notMatch(parsed.mistakes.join(), part)
  }
  t.ok('mistakes' in parseKeyring(`bad id:${good}`))
  t.ok('mistakes' in parseKeyring(`${'x'.repeat(65)}:${good}`))
  t.ok('mistakes' in parseKeyring(''))
})

t.test('generates a keyring that parses, with the day in its id', async (t) => {
  const text = generateKeyring(Date.UTC(2026, 10, 22))
  const parsed = parseKeyring(text.reveal())
  if (!('entries' in parsed)) throw new Error('not parsed')
  t.equal(parsed.entries.length, 1)
  t.match(parsed.entries, [{ id: /^k20261122-[0-9a-z]{4}$/ }])
  t.not(generateKeyring(0).reveal(), generateKeyring(0).reveal())
  const keyring = keyringOf(text)
  t.equal(await keyring.open('r', await keyring.seal('r', 'text')), 'text')
})

t.test('cannot be made of nothing, of short keys, of doubles, or of bad text', async (t) => {
  t.throws(() => createKeyring([]), TypeError)
  t.throws(() => createKeyring([{ id: 'a', key: new Uint8Array(16) }]), TypeError)
  t.throws(() => createKeyring([key('a'), key('a')]), TypeError)
  t.throws(() => createKeyring([key('not an id')]), TypeError)
  t.throws(() => keyringOf(new Secret('nothing')), TypeError)
})
