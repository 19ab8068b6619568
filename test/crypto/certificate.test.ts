import fc from 'fast-check'
import t from 'tap'
import {
  certificateRequest,
  matches,
  type ParseCertificateOptions,
  parseCertificate,
  selfSignedCertificate,
} from '../../src/crypto/certificate.ts'
import { generateKeyPair, parsePrivateKey } from '../../src/crypto/key-pair.ts'
import type { CertificateSubject, SelfSignedOptions } from '../../src/crypto/subject.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { openssl } from '../support/openssl.ts'

const { run, read, write } = openssl(t)
const now = Date.now()
const DAY_MS = 86_400_000

run('genrsa', '-out', 'key.pem', '2048')
run(
  'req',
  '-x509',
  '-new',
  '-key',
  'key.pem',
  '-days',
  '30',
  '-subj',
  '/O=Acme/CN=billing',
  '-out',
  'cert.pem',
)
const key = parsePrivateKey(read('key.pem'))
const pem = read('cert.pem')

/** The detail of the `credential_invalid` that the certificate gets. */
function refusal(text: string, options: Partial<ParseCertificateOptions> = {}): string {
  try {
    parseCertificate(text, { now, ...options })
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'credential_invalid') return error.detail
    throw error
  }
  throw new Error('The certificate was accepted')
}

t.test('reads a certificate as openssl does', async (t) => {
  const certificate = parseCertificate(pem, { now })
  const show = (...flags: string[]) => run('x509', '-in', 'cert.pem', '-noout', ...flags).trim()
  t.equal(certificate.subject, 'O=Acme, CN=billing')
  t.equal(`serial=${certificate.serial}`, show('-serial'))
  t.equal(certificate.fingerprintSha256, show('-fingerprint', '-sha256').replace(/^.*=/, ''))
  t.equal(certificate.notAfter, Date.parse(show('-enddate').replace('notAfter=', '')))
  t.equal(certificate.notBefore, Date.parse(show('-startdate').replace('notBefore=', '')))
  t.equal(certificate.keyBits, 2048)
  t.equal(certificate.expired, false)
  t.equal(certificate.pem, pem)
  const untidy = `subject=x\r\n${pem.replaceAll('\n', '\r\n')}\r\n`
  t.equal(parseCertificate(untidy, { now }).pem, pem, 'and normalises it')
})

t.test('matches a certificate with its own key alone', async (t) => {
  const certificate = parseCertificate(pem, { now })
  t.equal(matches(key, certificate), true)
  t.equal(matches(await generateKeyPair({ bits: 2048 }), certificate), false)
})

t.test('refuses an expired certificate, or marks it where that is a warning', async (t) => {
  const { notAfter } = parseCertificate(pem, { now })
  t.match(refusal(pem, { now: notAfter }), /^certificate: it expired at 20/)
  const expired = parseCertificate(pem, { now: notAfter, expiredIsWarning: true })
  t.equal(expired.expired, true)
  t.equal(parseCertificate(pem, { now: notAfter - 1 }).expired, false)
})

t.test('says what is wrong with anything else', async (t) => {
  run(
    'req',
    '-x509',
    '-newkey',
    'rsa:1024',
    '-noenc',
    '-keyout',
    's.key',
    '-subj',
    '/CN=s',
    '-out',
    'small.pem',
  )
  run(
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-noenc',
    '-keyout',
    'e.key',
    '-subj',
    '/CN=e',
    '-out',
    'ec.pem',
  )
  run('req', '-new', '-key', 'key.pem', '-subj', '/CN=r', '-out', 'request.pem')
  const cases: [name: string, text: string, why: RegExp][] = [
    ['nothing', '', /not PEM/],
    ['cut off', pem.slice(0, -10), /not PEM/],
    ['escaped and cut off', pem.replaceAll('\n', '\\n').slice(0, -30), /-----END line is missing/],
    ['chain', pem + pem, /2 PEM blocks: send the leaf certificate alone/],
    ['long chain', pem.repeat(40), /40 PEM blocks: send the leaf certificate alone/],
    ['with its key', pem + read('key.pem'), /2 PEM blocks/],
    ['key', read('key.pem'), /it is a private key: send the certificate/],
    ['request', read('request.pem'), /it is a certificate request: send the certificate/],
    ['small', read('small.pem'), /1024 bits: it needs 2048/],
    ['EC', read('ec.pem'), /not for an RSA key/],
    ['damaged', pem.replace(/\n[^\n]+\n/, '\n'), /damaged/],
    ['empty', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----', /damaged/],
  ]
  for (const [name, text, why] of cases) {
    t.match(refusal(text), why, name)
    t.match(refusal(text), /^certificate: /, `${name} names the member`)
    t.match(refusal(text, { member: 'credential.certificate' }), /^credential\.certificate: /)
    t.notMatch(refusal(text), 'MII', `${name} is not repeated`)
  }
})

t.test('takes 4,000 characters and no more, and less than 4 KB', async (t) => {
  const around = `${'é'.repeat(5_000)}\n${pem}`
  t.equal(parseCertificate(around, { now }).pem, pem, 'of what is uploaded, not of what is around')
  const name = 'DNS:a-rather-long-label-of-a-host.example.com'
  const names = Array.from({ length: 80 }, (_, index) => `${name}${index}`).join()
  run(
    'req',
    '-x509',
    '-new',
    '-key',
    'key.pem',
    '-subj',
    '/CN=x',
    '-addext',
    `subjectAltName=${names}`,
    '-out',
    'long.pem',
  )
  t.match(refusal(read('long.pem')), /characters: Salesforce accepts at most 4000/)
})

t.test('refuses any text with credential_invalid, and with nothing else', async (t) => {
  const mutated = fc
    .tuple(fc.nat(pem.length - 60), fc.constantFrom(...'AZaz09+/=\n\0-'))
    .map(([at, by]) => pem.slice(0, at + 28) + by + pem.slice(at + 29))
  const block = fc
    .base64String({ maxLength: 400 })
    .map((body) => `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`)
  await fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), block, mutated), (text) => {
      try {
        return parseCertificate(text, { now }).keyBits >= 2048
      } catch (error) {
        return error instanceof BrokerError && error.code === 'credential_invalid'
      }
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('makes a certificate that openssl verifies and shows', async (t) => {
  const made = await selfSignedCertificate(key, {
    subject: { commonName: 'valetkey billing' },
    days: 365,
    now,
  })
  write('made.pem', made.pem)
  t.match(run('verify', '-x509_strict', '-CAfile', 'made.pem', 'made.pem'), 'made.pem: OK')
  const text = run('x509', '-in', 'made.pem', '-noout', '-text')
  for (const part of [
    'Version: 3',
    'Signature Algorithm: sha256WithRSAEncryption',
    'Issuer: CN = valetkey billing',
    'Subject: CN = valetkey billing',
    /Basic Constraints: critical\s+CA:FALSE/,
    /Key Usage: critical\s+Digital Signature\n/,
    'X509v3 Subject Key Identifier',
    'X509v3 Authority Key Identifier',
  ]) {
    t.match(text, part)
  }
  t.equal(matches(key, made), true)
  t.equal(made.notAfter, Math.floor(now / 1_000) * 1_000 + 365 * DAY_MS)
  t.ok(made.notBefore < now && made.notBefore > now - DAY_MS, 'valid already')
  t.match(made.serial, /^[4-7][0-9A-F]{31}$/)
  const other = await selfSignedCertificate(key, {
    subject: { commonName: 'valetkey billing' },
    days: 1,
    now,
  })
  t.not(other.serial, made.serial)
})

t.test('makes certificates for every key size within the limits of Salesforce', async (t) => {
  for (const bits of [2048, 3072, 4096] as const) {
    const pair = await generateKeyPair({ bits })
    const made = await selfSignedCertificate(pair, {
      subject: { commonName: 'x'.repeat(64) },
      days: 825,
      now,
    })
    t.equal(made.keyBits, bits)
    t.ok(made.pem.length <= 4_000)
    t.equal(matches(pair, made), true)
  }
})

t.test('makes a request that openssl verifies, and takes the certificate of the CA', async (t) => {
  const subject = { commonName: 'billing', organization: 'Acme, Inc.', country: 'DE' }
  const request = await certificateRequest(key, subject)
  t.match(
    request,
    /^-----BEGIN CERTIFICATE REQUEST-----\n[\s\S]*\n-----END CERTIFICATE REQUEST-----\n$/u,
  )
  write('csr.pem', request)
  const text = run('req', '-in', 'csr.pem', '-verify', '-noout', '-text')
  t.match(text, 'verify OK')
  t.match(text, 'Subject: C = DE, O = "Acme, Inc.", CN = billing')
  run(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-noenc',
    '-keyout',
    'ca.key',
    '-subj',
    '/CN=CA',
    '-out',
    'ca.pem',
  )
  run(
    'x509',
    '-req',
    '-in',
    'csr.pem',
    '-CA',
    'ca.pem',
    '-CAkey',
    'ca.key',
    '-CAcreateserial',
    '-out',
    'signed.pem',
  )
  t.equal(matches(key, parseCertificate(read('signed.pem'), { now })), true)
})

t.test('puts any visible name into one attribute, whatever it contains', async (t) => {
  const visible = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .filter((text) => !/[\p{C}\p{Z}]/u.test(text) && [...text].length <= 64)
  const hostile = fc.constantFrom(
    'a,O=b',
    'a+CN=b',
    '#0403',
    '"a"',
    'a\\,b',
    'O=b',
    'a b',
    '=',
    '/CN=x',
  )
  await fc.assert(
    fc.asyncProperty(fc.oneof(visible, hostile), async (commonName) => {
      write(
        'name.pem',
        (await selfSignedCertificate(key, { subject: { commonName }, days: 1, now })).pem,
      )
      const shown = run(
        'x509',
        '-in',
        'name.pem',
        '-noout',
        '-subject',
        '-nameopt',
        'utf8,sep_multiline,sname',
      )
      return shown === `subject=\n    CN=${commonName}\n`
    }),
    { numRuns: 40, examples: [['a,O=b'], ['a+CN=b'], ['#0403'], ['"a"'], ['Ünïcödé 日本']] },
  )
  t.pass()
})

t.test('refuses names that are empty, long, or not visible, and days out of bounds', async (t) => {
  const names = [
    '',
    ' ',
    ' a',
    'a ',
    'a  b',
    'a\nb',
    'a\0',
    '\u202eabc',
    '\u200b',
    'x'.repeat(65),
    '\ud800',
  ]
  for (const commonName of names) {
    const refused = { code: 'credential_invalid', detail: /^common_name: / }
    await t.rejects(selfSignedCertificate(key, { subject: { commonName }, days: 1, now }), refused)
    await t.rejects(certificateRequest(key, { commonName }), refused)
  }
  const subjects: [CertificateSubject, RegExp][] = [
    [{ commonName: 'x', country: 'de' }, /^country: /],
    [{ commonName: 'x', country: '' }, /^country: /],
    [{ commonName: 'x', organization: '' }, /^organization: /],
    [{ commonName: 'x', organizationalUnit: 'a\tb' }, /^organizational_unit: /],
    [{ commonName: 'x', locality: 'x'.repeat(129) }, /^locality: /],
    [{ commonName: 'x', state: '\u0007' }, /^state: /],
  ]
  for (const [subject, detail] of subjects) {
    await t.rejects(certificateRequest(key, subject), { code: 'credential_invalid', detail })
  }
  for (const days of [0, -1, 826, 1.5, Number.NaN]) {
    const options: SelfSignedOptions = { subject: { commonName: 'x' }, days, now }
    await t.rejects(selfSignedCertificate(key, options), {
      code: 'credential_invalid',
      detail: /^days: /,
    })
  }
})
