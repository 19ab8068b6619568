/** Tokens that must never be accepted: forged, bent, or signed by the right key and wrong all the same. */
import {
  constants,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  type JsonWebKey,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { CompactEncrypt, type JWK } from 'jose'

export interface Attack {
  readonly name: string
  readonly token: string
}

export interface AttackedIssuer {
  readonly issuer: string
  readonly jwk: JWK
  readonly privateKey: KeyObject
  readonly alg: 'RS256' | 'ES256'
}

export interface AttackOptions {
  /** Both are configured; the second one wants `typ: at+jwt`. */
  readonly rsa: AttackedIssuer
  readonly ec: AttackedIssuer
  readonly audience: string
  /** A URL that nobody may ever fetch. */
  readonly trap: string
  readonly now: number
}

type Json = Readonly<Record<string, unknown>>

const b64 = (data: string | Uint8Array) => Buffer.from(data).toString('base64url')
const encoded = (part: Json | string) => b64(typeof part === 'string' ? part : JSON.stringify(part))

function signature(alg: string, input: string, key: KeyObject): string {
  const hash = `sha${alg.slice(2)}`
  if (alg.startsWith('ES')) {
    return sign(hash, Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
  }
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: Number(alg.slice(2)) / 8 }
  return sign(hash, Buffer.from(input), {
    key,
    ...(alg.startsWith('PS') && pss),
  }).toString('base64url')
}

/** Both parts may be given as text, to write what no library would. */
export function signed(
  header: Json | string,
  claims: Json | string,
  key: KeyObject,
  alg: string,
): string {
  const input = `${encoded(header)}.${encoded(claims)}`
  return `${input}.${signature(alg, input, key)}`
}

export async function jwtAttacks(options: AttackOptions): Promise<readonly Attack[]> {
  const { rsa, ec, audience, trap, now } = options
  const seconds = Math.floor(now / 1000)
  const attacker = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const attackerEc = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const good: Json = {
    iss: rsa.issuer,
    aud: audience,
    sub: 'billing',
    iat: seconds,
    exp: seconds + 600,
  }
  const header: Json = { alg: 'RS256', kid: rsa.jwk.kid }
  const without = (name: string) =>
    Object.fromEntries(Object.entries(good).filter(([key]) => key !== name))
  const text = (claims: Json) => JSON.stringify(claims)
  /** Signed by the issuer's own key. */
  const own = (claims: Json | string, more: Json | string = {}) =>
    signed(
      typeof more === 'string' ? more : { ...header, ...more },
      claims,
      rsa.privateKey,
      'RS256',
    )
  const forged = (more: Json, claims: Json = good) =>
    signed({ ...header, ...more }, claims, attacker.privateKey, 'RS256')
  const attackerJwk = attacker.publicKey.export({ format: 'jwk' })
  const attacks: Attack[] = []
  const add = (name: string, token: string) => attacks.push({ name, token })

  for (const alg of ['none', 'None', 'NONE', 'nOnE', 'noNe', '']) {
    const input = `${encoded({ alg })}.${encoded(good)}`
    add(`alg ${alg || 'empty'} without a signature`, `${input}.`)
    add(`alg ${alg || 'empty'} with some signature`, `${input}.${b64('signature')}`)
    add(`alg ${alg || 'empty'} in two parts`, input)
  }
  for (const alg of [null, 0, true, ['RS256'], { name: 'RS256' }]) {
    add(`alg as ${JSON.stringify(alg)}`, own(good, { alg }))
  }
  add('no alg', own(good, JSON.stringify({ kid: rsa.jwk.kid })))

  const publicKey = createPublicKey({ key: rsa.jwk as JsonWebKey, format: 'jwk' })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const secrets: Readonly<Record<string, string | Buffer>> = {
    'the PEM of the public key': pem,
    'the PEM without its last line break': pem.trim(),
    'the PKCS#1 PEM': publicKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    'the DER of the public key': publicKey.export({ type: 'spki', format: 'der' }),
    'the JWK': JSON.stringify(rsa.jwk),
    'the modulus': Buffer.from(rsa.jwk.n ?? '', 'base64url'),
    'no bytes': '',
  }
  for (const [what, secret] of Object.entries(secrets)) {
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const input = `${encoded({ ...header, alg })}.${encoded(good)}`
      const mac = createHmac(`sha${alg.slice(2)}`, secret)
        .update(input)
        .digest('base64url')
      add(`${alg} with ${what}`, `${input}.${mac}`)
    }
  }

  const pointers: Json = {
    jku: `${trap}/keys`,
    x5u: `${trap}/certificate`,
    jwk: attackerJwk,
    x5c: [attacker.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')],
  }
  for (const [name, value] of Object.entries(pointers)) {
    add(`${name} of the attacker, and its signature`, forged({ [name]: value }))
    add(`${name} of the attacker, with its kid`, forged({ [name]: value, kid: 'attacker' }))
    add(`${name} beside a good signature`, own(good, { [name]: value }))
  }
  add('a jku that looks like the issuer', forged({ jku: `${rsa.issuer}@${trap.slice(7)}/keys` }))
  add('an issuer at the trap', forged({}, { ...good, iss: trap }))
  add('the key of the attacker', forged({}))
  add(
    'the key of the attacker and no kid',
    signed({ alg: 'RS256' }, good, attacker.privateKey, 'RS256'),
  )
  const kids = [
    ...['../../../../dev/null', `${trap}/kid`, "' OR 1=1 --", '', '\u0000', '__proto__'],
    ...['constructor', 'K1', 'k'.repeat(129), 'k'.repeat(4_000), null, 1, ['k1'], { kid: 'k1' }],
  ]
  for (const kid of kids) {
    const name = JSON.stringify(kid).slice(0, 40)
    add(`kid ${name}`, forged({ kid }))
    add(`kid ${name} beside a good signature`, own(good, { kid }))
  }

  add('crit that nobody knows', own(good, { crit: ['exp'], exp: 1 }))
  add('crit that is empty', own(good, { crit: [] }))
  add('crit as text', own(good, { crit: 'b64', b64: true }))
  add('b64 false', own(good, { crit: ['b64'], b64: false }))
  add('b64 false and not critical', own(good, { b64: false }))
  add('compressed', own(good, { zip: 'DEF' }))

  for (const name of ['iss', 'aud', 'sub', 'exp']) add(`no ${name}`, own(without(name)))
  const values: Readonly<Record<string, readonly unknown[]>> = {
    exp: [
      ...[seconds - 31, 0, -1, `${seconds + 600}`, '9999999999', null, true, [seconds + 600]],
      {},
    ],
    nbf: [seconds + 90, `${seconds - 60}`, null, [], true],
    iat: [seconds + 90, `${seconds}`, null],
    iss: [
      ...[`${rsa.issuer}/`, rsa.issuer.toUpperCase(), ` ${rsa.issuer}`, '', null, 1],
      ...[[rsa.issuer], { iss: rsa.issuer }, rsa.issuer.slice(0, -1), '__proto__', 'constructor'],
    ],
    aud: [
      ...[audience.slice(0, -1), audience.slice(1), `${audience}s`, `x${audience}`],
      ...[audience.toUpperCase(), `${audience} `, `${audience},other`, `other ${audience}`, ''],
      ...[[], [''], [audience.slice(0, -1), 'other'], [[audience]], { 0: audience }, null, 7, '*'],
    ],
    sub: ['', 7, null, ['billing'], { sub: 'billing' }, 'a\u0000b', 'a\nb', 'x'.repeat(513)],
  }
  for (const [name, bad] of Object.entries(values)) {
    for (const value of bad) {
      add(`${name} ${JSON.stringify(value).slice(0, 40)}`, own({ ...good, [name]: value }))
    }
  }
  add('exp beyond all numbers', own(text(good).replace(/"exp":\d+/, '"exp":1e999')))

  add('sub twice', own(text(good).replace('{', '{"sub":"admin",')))
  add('sub twice, once escaped', own(text(good).replace('{', '{"\\u0073ub":"admin",')))
  add('aud twice', own(text(good).replace('{', '{"aud":"other",')))
  add('exp twice', own(text(good).replace('{', '{"exp":1,')))
  add(
    'a claim twice further in',
    own(text({ ...good, a: 1 }).replace('"a":1', '"a":{"b":1,"b":2}')),
  )
  add('alg twice', own(good, '{"alg":"none","alg":"RS256","kid":"k1"}'))

  const mixed = { ...good, iss: ec.issuer }
  add('the other issuer named, signed by this one', own(mixed))
  add('the other issuer and kid named, signed by this one', own(mixed, { kid: ec.jwk.kid }))
  add(
    'this issuer named, signed by the other one',
    signed({ alg: 'ES256', kid: ec.jwk.kid }, good, ec.privateKey, 'ES256'),
  )
  for (const typ of [undefined, 'JWT', 'at+jwt ', 'at', ['at+jwt'], null]) {
    const head = { alg: 'ES256', kid: ec.jwk.kid, ...(typ !== undefined && { typ }) }
    add(`typ ${JSON.stringify(typ)}`, signed(head, mixed, ec.privateKey, 'ES256'))
  }

  const ecHeader = { alg: 'ES256', kid: ec.jwk.kid, typ: 'at+jwt' }
  const ecInput = `${encoded(ecHeader)}.${encoded(mixed)}`
  add('an ECDSA signature of zeros', `${ecInput}.${b64(Buffer.alloc(64))}`)
  add(
    'an ECDSA signature as DER',
    `${ecInput}.${b64(sign('sha256', Buffer.from(ecInput), ec.privateKey))}`,
  )
  add(
    'an ECDSA signature cut short',
    `${ecInput}.${signature('ES256', ecInput, ec.privateKey).slice(0, -8)}`,
  )
  add(
    'ES384 with the key of ES256',
    signed({ ...ecHeader, alg: 'ES384' }, mixed, ec.privateKey, 'ES384'),
  )
  add('an EC signature called RS256', signed({ ...header }, good, attackerEc.privateKey, 'ES256'))
  add('an RSA signature called ES256', signed(ecHeader, mixed, rsa.privateKey, 'RS256'))
  add('a signature of RS256 called RS512', own(good, { alg: 'RS512' }))
  add('a signature of RS256 called PS256', own(good, { alg: 'PS256' }))
  add('an algorithm that is not spoken', own(good, { alg: 'ES256K' }))
  add('an algorithm that does not exist', own(good, { alg: 'RS1' }))

  const whole = own(good)
  const [first = '', second = '', third = ''] = whole.split('.')
  add('no signature', `${first}.${second}.`)
  add('a signature cut short', whole.slice(0, -8))
  add('a signature of another token', `${first}.${encoded({ ...good, sub: 'admin' })}.${third}`)
  add('a bit turned in the signature', `${first}.${second}.${turned(third)}`)
  add('a trailing dot', `${whole}.`)
  add('two trailing dots', `${whole}..`)
  add('a leading dot', `.${whole}`)
  add('two parts', `${first}.${second}`)
  add('four parts', `${whole}.${third}`)
  add('dots alone', '..')
  add('padding', `${first}.${second}.${third}==`)
  add('padding in the header', `${first}=.${second}.${third}`)
  add('characters of another base64', `${first}.${second}.${third.slice(0, -2)}+/`)
  add('a percent sign', `${first}%00.${second}.${third}`)
  add('a byte of zero as JSON', `${b64('\u0000')}.${second}.${third}`)
  add('a byte of zero behind the header', own(good, `${JSON.stringify(header)}\u0000`))
  add('a byte order mark', own(`\ufeff${text(good)}`))
  add(
    'claims that are not UTF-8',
    raw(Buffer.concat([Buffer.from('{"sub":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])),
  )
  for (const claims of ['', 'null', '[]', '"text"', '1', '{', '{"iss"', `${text(good)}x`, '[[[[']) {
    add(`claims ${JSON.stringify(claims).slice(0, 20)}`, own(claims))
  }
  for (const head of ['', 'null', '[]', '"RS256"', '{', '{"alg"']) {
    add(`header ${JSON.stringify(head)}`, own(good, head))
  }
  add('deeper than anybody reads', own(`{"a":${'['.repeat(2_000)}${']'.repeat(2_000)}}`))
  add('a token in a token', own(good, { cty: 'JWT', enc: 'A128GCM' }))
  add('20 KB', own({ ...good, filler: 'x'.repeat(14_600) }))
  add('a little over 8 KiB', own({ ...good, filler: 'x'.repeat(5_800) }))
  add('50 KB', own({ ...good, filler: 'x'.repeat(36_000) }))

  const jwe = async (alg: string, key: KeyObject | Uint8Array) =>
    new CompactEncrypt(Buffer.from(text(good)))
      .setProtectedHeader({ alg, enc: 'A128GCM', kid: rsa.jwk.kid as string })
      .encrypt(key)
  add('JWE with RSA-OAEP', await jwe('RSA-OAEP', publicKey))
  add('JWE with dir', await jwe('dir', randomBytes(16)))
  add(
    'JWE with PBES2 of a million rounds',
    [
      { alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 1_000_000, p2s: 'c2FsdA' },
      'a',
      'b',
      'c',
      'd',
    ]
      .map((part) => encoded(part))
      .join('.'),
  )
  return attacks

  function raw(claims: Buffer): string {
    const input = `${encoded(header)}.${b64(claims)}`
    return `${input}.${signature('RS256', input, rsa.privateKey)}`
  }
}

function turned(part: string): string {
  const bytes = Buffer.from(part, 'base64url')
  bytes[0] = (bytes[0] ?? 0) ^ 1
  return bytes.toString('base64url')
}
