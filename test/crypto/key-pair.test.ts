import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { generateKeyPair, parsePrivateKey } from '../../src/crypto/key-pair.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { openssl } from '../support/openssl.ts'

const { run, read } = openssl(t)

run('genrsa', '-traditional', '-out', 'pkcs1.pem', '2048')
run('pkcs8', '-topk8', '-nocrypt', '-in', 'pkcs1.pem', '-out', 'pkcs8.pem')
const plain = read('pkcs8.pem')

/** The detail of the `credential_invalid` that the key gets. */
function refusal(pem: string, member?: string): string {
  try {
    parsePrivateKey(pem, member)
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'credential_invalid') return error.detail
    throw error
  }
  throw new Error('The key was accepted')
}

t.test('reads what openssl genrsa and genpkey make, and normalises it', async (t) => {
  run('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072', '-out', 'genpkey.pem')
  const pkcs1 = parsePrivateKey(read('pkcs1.pem'))
  t.equal(pkcs1.bits, 2048)
  t.equal(pkcs1.pem.reveal(), plain, 'PKCS#1 becomes PKCS#8')
  t.equal(parsePrivateKey(read('genpkey.pem')).bits, 3072)
  const untidy = `Bag Attributes\r\n  friendlyName: x\r\n${plain.replaceAll('\n', '\r\n')}  \r\n`
  t.equal(parsePrivateKey(untidy).pem.reveal(), plain, 'CRLF and text around it do not matter')
})

t.test('prints no key', async (t) => {
  const key = parsePrivateKey(plain)
  const line = plain.split('\n')[1] ?? ''
  t.notMatch(`${inspect(key, { depth: 9, showHidden: true })}${JSON.stringify(key)}`, line)
})

t.test('tells how to decrypt an encrypted key, with a command that works', async (t) => {
  run('rsa', '-aes256', '-traditional', '-passout', 'pass:x', '-in', 'pkcs1.pem', '-out', 'e1.pem')
  run('pkcs8', '-topk8', '-passout', 'pass:x', '-in', 'pkcs1.pem', '-out', 'e8.pem')
  for (const file of ['e1.pem', 'e8.pem']) {
    const detail = refusal(read(file))
    t.match(detail, 'encrypted')
    const command = /`openssl ([^`]+)`/.exec(detail)?.[1]?.replace('encrypted.pem', file)
    if (command === undefined) throw new Error('no command')
    run(...command.split(' '), '-passin', 'pass:x')
    t.equal(parsePrivateKey(read('key.pem')).pem.reveal(), plain, file)
  }
})

t.test('says what is wrong with anything else', async (t) => {
  run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ec.pem')
  run('pkcs8', '-topk8', '-nocrypt', '-in', 'ec.pem', '-out', 'ec8.pem')
  run('genpkey', '-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'pss.pem')
  run('genpkey', '-algorithm', 'ED25519', '-out', 'ed.pem')
  run('genrsa', '-out', 'small.pem', '1024')
  run('rsa', '-in', 'pkcs1.pem', '-pubout', '-out', 'public.pem')
  run('rsa', '-in', 'pkcs1.pem', '-RSAPublicKey_out', '-out', 'public1.pem')
  run('req', '-x509', '-new', '-key', 'pkcs1.pem', '-subj', '/CN=x', '-out', 'cert.pem')
  const cases: [name: string, pem: string, why: RegExp][] = [
    ['nothing', '', /not PEM/],
    ['text', 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASC', /1193 of its 1217 bytes are missing/],
    ['cut off', plain.slice(0, -20), /not PEM/],
    [
      'escaped and cut off',
      plain.replaceAll('\n', '\\n').slice(0, -40),
      /-----END line is missing/,
    ],
    ['two keys', plain + plain, /2 PEM blocks: send the private key alone/],
    ['key and certificate', plain + read('cert.pem'), /2 PEM blocks/],
    ['public', read('public.pem'), /public key/],
    ['public PKCS#1', read('public1.pem'), /public key/],
    ['certificate', read('cert.pem'), /certificate/],
    ['EC', read('ec.pem'), /EC key/],
    ['EC in PKCS#8', read('ec8.pem'), /EC key: Salesforce accepts only RSA keys/],
    ['Ed25519', read('ed.pem'), /Edwards.*: Salesforce accepts only RSA keys/],
    ['RSA-PSS', read('pss.pem'), /RSA-PSS only.*: Salesforce accepts only RSA keys/],
    ['small', read('small.pem'), /1024 bits: it needs 2048/],
    ['damaged', plain.replace(/\n[^\n]+\n/, '\n'), /damaged/],
    ['empty block', '-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----', /damaged/],
    ['unknown label', '-----BEGIN CANARY-----\nAAAA\n-----END CANARY-----', /not a private key/],
    [
      'inherited label',
      '-----BEGIN constructor-----\nAAAA\n-----END constructor-----',
      /not a priv/,
    ],
    ['huge text', `${'x'.repeat(65_536)}${plain}`, /longer than 65536/],
    ['huge block', plain.replace('\n', `\n${'A'.repeat(16_384)}\n`), /longer than 16384/],
  ]
  for (const [name, pem, why] of cases) {
    t.match(refusal(pem), why, name)
    t.match(refusal(pem), /^private_key: /, `${name} names the member`)
    t.match(refusal(pem, 'credential.private_key'), /^credential\.private_key: /)
    t.notMatch(refusal(pem), /CANARY|MII/, `${name} is not repeated`)
  }
})

t.test('refuses a key of more than 8192 bits before it computes with it', async (t) => {
  const huge = Buffer.alloc(1025, 0xff)
  t.match(refusal(keyOf({ n: huge, e: Buffer.from([1, 0, 1]) })), /8200 bits: at most 8192/)
})

t.test('refuses a key whose numbers do not belong together', async (t) => {
  const jwk = createPrivateKey(plain).export({ format: 'jwk' })
  const number = (name: 'n' | 'e' | 'd' | 'p' | 'q' | 'dp' | 'dq' | 'qi') =>
    Buffer.from(jwk[name] ?? '', 'base64url')
  const numbers = {
    n: number('n'),
    e: number('e'),
    d: number('d'),
    p: number('p'),
    q: number('q'),
    dp: number('dp'),
    dq: number('dq'),
    qi: number('qi'),
  }
  t.equal(parsePrivateKey(keyOf(numbers)).pem.reveal(), plain, 'untouched it is accepted')
  for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi'] as const) {
    const changed = Buffer.from(numbers[name])
    changed[20] = (changed[20] ?? 0) ^ 1
    t.match(refusal(keyOf({ ...numbers, [name]: changed })), /damaged/, name)
  }
  // Were it computed with, the time limit of the suite would end it.
  t.match(refusal(keyOf({ ...numbers, p: Buffer.alloc(9_000, 0xff) })), /damaged/, 'a huge factor')
})

t.test('refuses any text with credential_invalid, and with nothing else', async (t) => {
  const label = fc.constantFrom(
    'PRIVATE KEY',
    'RSA PRIVATE KEY',
    'ENCRYPTED PRIVATE KEY',
    '__proto__',
  )
  const block = fc
    .tuple(label, fc.base64String({ maxLength: 400 }))
    .map(([name, body]) => `-----BEGIN ${name}-----\n${body}\n-----END ${name}-----\n`)
  const text = fc.oneof(fc.string({ unit: 'binary' }), block)
  // A counterexample is printed: it names the place, and not the key.
  const mutation = fc.record({
    at: fc.nat(plain.length - 60),
    by: fc.constantFrom(...'AZaz09+/=\n\0-'),
  })
  const mutated = ({ at, by }: { at: number; by: string }) =>
    plain.slice(0, at + 30) + by + plain.slice(at + 31)
  await fc.assert(
    fc.property(fc.oneof(text, mutation), (given) => {
      const pem = typeof given === 'string' ? given : mutated(given)
      try {
        return parsePrivateKey(pem).pem.reveal() === plain
      } catch (error) {
        return error instanceof BrokerError && error.code === 'credential_invalid'
      }
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('keeps nothing of a key but its numbers', async (t) => {
  const der = Buffer.from(plain.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  // The version of the RSAPrivateKey inside, which OpenSSL does not look at.
  const at = der.indexOf(Buffer.from('020100028201', 'hex'), 10)
  t.ok(at > 0)
  der[at + 2] = 0x3d
  const odd = `-----BEGIN PRIVATE KEY-----\n${der.toString('base64')}\n-----END PRIVATE KEY-----\n`
  t.ok(parsePrivateKey(odd).pem.reveal() === plain)
})

t.test('looks at long hostile text in linear time', async (t) => {
  // Quadratic time would be minutes, past the time limit of the suite.
  t.match(refusal('-----BEGIN A-----'.repeat(500_000)), /longer than 65536/)
  t.match(refusal('-----BEGIN A-----'.repeat(3_800)), /not PEM/)
})

t.test('makes a key pair without holding up the event loop', async (t) => {
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const key = await generateKeyPair({ bits: 3072 })
  clearInterval(timer)
  t.ok(turns > 0, 'timers went on')
  t.equal(key.bits, 3072)
  t.equal(parsePrivateKey(key.pem.reveal()).bits, 3072)
  const text = Buffer.from('text')
  const publicKey = createPublicKey(key.keyObject)
  t.ok(verify('sha256', text, publicKey, sign('sha256', text, key.keyObject)))
  t.equal(publicKey.asymmetricKeyDetails?.publicExponent, 65_537n)
})

t.test('makes no key of another size', async (t) => {
  for (const bits of [1024, 2047, 8192, 0, Number.NaN]) {
    await t.rejects(generateKeyPair({ bits: bits as 2048 }), { code: 'credential_invalid' })
  }
})

/** PKCS#1 in PEM of these numbers; those not given are small. */
function keyOf(numbers: Partial<Record<'n' | 'e' | 'd' | 'p' | 'q' | 'dp' | 'dq' | 'qi', Buffer>>) {
  const integer = (bytes: Buffer) => {
    const first = bytes.findIndex((byte) => byte !== 0)
    const short = bytes.subarray(Math.max(first, 0))
    return der(0x02, (short[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), short]) : short)
  }
  const small = Buffer.from([3])
  const { n = small, e = small, d = small, p = small, q = small } = numbers
  const { dp = small, dq = small, qi = small } = numbers
  const body = Buffer.concat([Buffer.from([2, 1, 0]), ...[n, e, d, p, q, dp, dq, qi].map(integer)])
  const lines = der(0x30, body)
    .toString('base64')
    .replace(/(.{64})/g, '$1\n')
  return `-----BEGIN RSA PRIVATE KEY-----\n${lines}\n-----END RSA PRIVATE KEY-----\n`
}

function der(tag: number, body: Buffer): Buffer {
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}

t.test('refuses a key with more than two primes', async (t) => {
  run('genrsa', '-traditional', '-primes', '3', '-out', 'three.pem', '2048')
  t.match(refusal(read('three.pem')), /three primes or more: .* `openssl genpkey/)
})

t.test('takes the key that Node makes, too', async (t) => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  t.equal(
    parsePrivateKey(privateKey.export({ type: 'pkcs1', format: 'pem' }).toString()).bits,
    2048,
  )
})
