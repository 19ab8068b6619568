/** JSON like an integration, and unlike one. */
import fc, { type Arbitrary } from 'fast-check'
import type { SigningKey } from '../support/signing-key.ts'

export const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
)
/** Values that are wrong nearly everywhere. */
const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.constantFrom(null, true, 0, -0, -1, 1e308, 0.1, 2 ** 53, '', '\0', '\ud800', '\u2028', '$ref'),
  fc.constantFrom('__proto__', 'constructor', 'toString', '%s', '../..', 'a'.repeat(5_000)),
  fc.constant([]),
  fc.constant({}),
)
const orOdd = <Value>(arbitrary: Arbitrary<Value>): Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary }, { weight: 1, arbitrary: odd })
const member = (name: Arbitrary<string>, value: Arbitrary<unknown>) => fc.tuple(name, value)
const named = (name: string, value: Arbitrary<unknown>) => member(fc.constant(name), orOdd(value))
const hostile = member(
  fc.oneof(
    fc.constantFrom(
      '__proto__',
      'constructor',
      'prototype',
      'toString',
      'hasOwnProperty',
      '',
      '$id',
    ),
    text,
  ),
  fc.oneof(odd, fc.constant({ prototype: { polluted: true } }), fc.constant({ polluted: true })),
)

/** A JSON object as text, so that a member may be there twice. */
const objectOf = (...members: Arbitrary<readonly [string, unknown]>[]): Arbitrary<Json> =>
  fc
    .array(fc.oneof(...members.map((one) => ({ weight: 3, arbitrary: one })), hostile), {
      maxLength: members.length * 2,
    })
    .map((entries) => new Json(entries))

export class Json {
  readonly #entries: readonly (readonly [string, unknown])[]
  constructor(entries: readonly (readonly [string, unknown])[]) {
    this.#entries = entries
  }
  toString(): string {
    const written = (value: unknown) => (value instanceof Json ? `${value}` : JSON.stringify(value))
    return `{${this.#entries.map(([name, value]) => `${JSON.stringify(name)}:${written(value)}`)}}`
  }
}

const grant = objectOf(
  named('type', fc.constantFrom('jwt_bearer', 'client_credentials', 'refresh_token', '__proto__')),
  named('client_id', fc.constant('3MVG9.acme')),
  named('username', fc.constantFrom('billing@acme.com', 'a@b', '@')),
  named('audience', fc.constant('https://login.salesforce.com')),
  named('client_auth', fc.constantFrom('client_secret_basic', 'private_key_jwt', 'toString')),
)
const pemLike = (key: SigningKey) =>
  fc.oneof(
    fc.constantFrom(key.privateKey, key.certificate, key.privateKey.replaceAll('\n', '\r\n')),
    fc
      .tuple(
        fc.constantFrom(
          'PRIVATE KEY',
          'RSA PRIVATE KEY',
          'ENCRYPTED PRIVATE KEY',
          'CERTIFICATE',
          '',
        ),
        fc.uint8Array({ maxLength: 1_500 }),
      )
      .map(
        ([label, body]) =>
          `-----BEGIN ${label}-----\n${Buffer.from(body).toString('base64')}\n-----END ${label}-----\n`,
      ),
    fc
      .tuple(fc.nat(key.privateKey.length - 1), fc.constantFrom('A', '=', '\n', '-', '\0'))
      .map(([at, letter]) => key.privateKey.slice(0, at) + letter + key.privateKey.slice(at + 1)),
    text,
  )
const credentialLike = (pem: Arbitrary<string>) =>
  objectOf(
    named('private_key', pem),
    named('certificate', pem),
    named('client_secret', text),
    named('from', fc.constantFrom('known', 'new', 'nobody', '__proto__')),
    // No key is generated for nothing: each costs a second of the machine.
    named('generate', fc.constantFrom({ key_bits: 1 }, { days: 0 }, { common_name: '' })),
  )
/** Something like the body of a PUT: members that fit, members that do not, some twice. */
export const integrationLike = (key: SigningKey): Arbitrary<Json> =>
  objectOf(
    named(
      'login_url',
      fc.constantFrom('https://acme.my.salesforce.com', 'https://a.my.site.com/b'),
    ),
    named('login_url', fc.constant('https://acme.my.salesforce.com')),
    named('grant', grant),
    named('grant', grant),
    named('credential', credentialLike(pemLike(key))),
    named('labels', objectOf(member(fc.constantFrom('a', 'constructor', '__proto__'), text))),
    named('identity', objectOf(named('pin', fc.constantFrom('user', 'off')), named('expect', odd))),
    named('token_lifetime', fc.integer()),
    named('logins_per_hour', fc.double()),
    named('enabled', fc.boolean()),
    named('description', text),
    named('status', odd),
  )
