import { createHash, createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseCertificate } from '../../src/crypto/certificate.ts'
import { parsePrivateKey } from '../../src/crypto/key-pair.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import { openssl } from '../support/openssl.ts'

const { run, read, write, path } = openssl(t)
const now = Date.now()

run('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'key.pem')
run('rsa', '-in', 'key.pem', '-traditional', '-out', 'pkcs1.pem')
run('req', '-x509', '-new', '-key', 'key.pem', '-days', '30', '-subj', '/CN=forms', '-out', 'c.pem')
const keyPem = read('key.pem')
const certificatePem = read('c.pem')

const utf16 = (text: string, order: 'le' | 'be'): Buffer => {
  const bytes = Buffer.from(`\ufeff${text}`, 'utf16le')
  return order === 'le' ? bytes : bytes.swap16()
}
const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')

/** What people make of a PEM on its way; each can be read. */
const FORMS: Readonly<Record<string, (pem: string) => string>> = {
  'line breaks as backslash and n': (pem) => pem.replaceAll('\n', '\\n'),
  'escaped twice': (pem) => pem.replaceAll('\n', '\\\\n'),
  'carriage returns escaped, too': (pem) => pem.replaceAll('\n', '\\r\\n'),
  'in quotes': (pem) => `"${pem.replaceAll('\n', '\\n')}"`,
  'as a JSON string, twice': (pem) => JSON.stringify(JSON.stringify(pem)),
  'in single quotes': (pem) => `'${pem}'`,
  'blanks for line breaks': (pem) => pem.replaceAll('\n', ' '),
  'no line breaks': (pem) => pem.replaceAll('\n', ''),
  'an n for each line break': (pem) => pem.replaceAll('\n', 'n'),
  'indented lines': (pem) => pem.replace(/^/gm, '    '),
  'an empty line after each': (pem) => pem.replaceAll('\n', '\n\n'),
  'trailing blanks': (pem) => pem.replaceAll('\n', ' \t\n'),
  'quoted lines of a mail': (pem) => pem.replace(/^/gm, '> '),
  'continued lines of a shell': (pem) => pem.replaceAll('\n', '\\\n'),
  'XML references': (pem) => pem.replaceAll('\n', '&#10;'),
  'a page': (pem) => pem.replaceAll('\n', '<br>'),
  'URL encoding': (pem) => encodeURIComponent(pem),
  'form encoding': (pem) => new URLSearchParams({ k: pem }).toString().slice(2),
  'pluses that became blanks': (pem) => {
    const [head, body, tail] = pem.split(/(?<=KEY-----|CATE-----)\n|\n(?=-----END)/)
    return [head, body?.replaceAll('+', ' '), tail].join('\n')
  },
  'dashes of a word processor': (pem) => pem.replaceAll('-----', '\u2014\u2014-'),
  'a byte order mark': (pem) => `\ufeff${pem}`,
  'UTF-16 that was read as UTF-8': (pem) => utf16(pem, 'le').toString('utf8'),
  'UTF-16 of the other order': (pem) => utf16(pem, 'be').toString('utf8'),
  'UTF-16 that was read as Latin-1': (pem) => utf16(pem, 'le').toString('latin1'),
  'base64 of the whole': (pem) => base64(pem),
  'base64 of the whole in lines': (pem) => base64(pem).replace(/.{76}/g, '$&\n'),
  'base64 of base64': (pem) => base64(base64(pem)),
  'base64 of UTF-16': (pem) => base64(utf16(pem, 'le')),
  'base64url of the body': (pem) => {
    const [, head = '', body = '', tail = ''] = /^(-.*-\n)([^-]*)(-.*)$/s.exec(pem) ?? []
    return head + body.replaceAll('+', '-').replaceAll('/', '_') + tail
  },
  'Bag Attributes before it': (pem) =>
    `Bag Attributes\n    friendlyName: x\n    localKeyID: 01 02\nKey Attributes: <No Attributes>\n${pem}`,
}

t.test('reads a private key in each form, and says what was done', async (t) => {
  for (const plain of [keyPem, read('pkcs1.pem')]) {
    for (const [name, change] of Object.entries(FORMS)) {
      const key = parsePrivateKey(change(plain))
      t.equal(key.pem.reveal(), keyPem, name)
      t.equal(key.normalized.length > 0, true, `${name}: ${key.normalized.join('; ')}`)
    }
  }
})

t.test('says that quotation marks were left out where there were some', (t) => {
  const said = (text: string) => parsePrivateKey(text).normalized.join()
  const escaped = keyPem.replaceAll('\n', '\\n')
  t.notMatch(said(escaped), /Quotation/)
  t.notMatch(said(escaped.replaceAll('\\', '\\\\')), /Quotation/)
  t.match(said(`"${escaped}"`), /Quotation/)
  t.match(said(`'${keyPem}'`), /Quotation/)
  t.end()
})

t.test('reads a certificate in each form, and says what was done', async (t) => {
  for (const [name, change] of Object.entries(FORMS)) {
    const certificate = parseCertificate(change(certificatePem), { now })
    t.equal(certificate.pem, certificatePem, name)
    t.equal(certificate.normalized.length > 0, true, name)
  }
})

t.test('says nothing of plain PEM', async (t) => {
  const [, head = '', body = '', tail = ''] = /^(-.*-\n)([^-]*)(-.*)$/s.exec(keyPem) ?? []
  const wide = head + body.replaceAll('\n', '').replace(/.{1,76}/g, '$&\n') + tail
  const plain = [wide, keyPem, keyPem.trim(), `\n\n${keyPem}\n`, keyPem.replaceAll('\n', '\r\n')]
  for (const pem of plain) t.same(parsePrivateKey(pem).normalized, [])
  t.same(parseCertificate(certificatePem, { now }).normalized, [])
})

t.test('measures a certificate by what is uploaded', async (t) => {
  const text = run('x509', '-in', 'c.pem', '-text')
  const padded = `${'    data of a CA\n'.repeat(400)}${text}`
  const certificate = parseCertificate(padded, { now })
  t.equal(certificate.pem, certificatePem)
  t.match(certificate.normalized.join(), /Text around the PEM block was removed/)
})

/** The detail of the refusal. */
function refusal(parse: () => unknown): string {
  try {
    parse()
  } catch (error) {
    if (error instanceof BrokerError && error.code === 'credential_invalid') return error.detail
    throw error
  }
  throw new Error('It was accepted')
}

const jwkOf = (pem: string) => JSON.stringify(createPrivateKey(pem).export({ format: 'jwk' }))

const derOf = (...args: readonly string[]) => {
  run(...args, '-outform', 'DER', '-out', 'out.der')
  return readFileSync(path('out.der'))
}
/** `-req`: of version 1. */
function derOfCertificate(kind: string) {
  run('req', '-new', '-key', 'key.pem', '-subj', '/CN=x', '-out', 'r.csr')
  const signed = ['-req', '-in', 'r.csr', '-signkey', 'key.pem', '-days', '10']
  return derOf('x509', ...(kind === '-req' ? signed : ['-in', 'c.pem']))
}
/** How a binary file comes in a JSON string. */
const broken = (bytes: Buffer) => [bytes.toString('utf8'), bytes.toString('latin1')]
const asTexts = (bytes: Buffer) => [base64(bytes), ...broken(bytes)]

t.test('names the form of a key that it cannot read, and one command', async (t) => {
  run('ecparam', '-name', 'prime256v1', '-genkey', '-out', 'ec-with-parameters.pem')
  run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'ec.pem')
  run('pkcs8', '-topk8', '-nocrypt', '-in', 'ec.pem', '-out', 'ec8.pem')
  run('genpkey', '-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'pss.pem')
  run('genpkey', '-algorithm', 'ED25519', '-out', 'ed.pem')
  run('genpkey', '-algorithm', 'X25519', '-out', 'x25519.pem')
  run('dsaparam', '-genkey', '-noout', '-out', 'dsa.pem', '1024')
  run('pkcs8', '-topk8', '-nocrypt', '-in', 'dsa.pem', '-out', 'dsa8.pem')
  run('genrsa', '-primes', '3', '-out', 'three.pem', '2048')
  run('rsa', '-in', 'three.pem', '-traditional', '-out', 'three1.pem')
  run('pkcs8', '-topk8', '-passout', 'pass:x', '-in', 'key.pem', '-out', 'e8.pem')
  run('rsa', '-aes256', '-traditional', '-passout', 'pass:x', '-in', 'key.pem', '-out', 'e1.pem')
  run('rsa', '-in', 'key.pem', '-pubout', '-out', 'public.pem')
  run(
    'pkcs12',
    '-export',
    '-inkey',
    'key.pem',
    '-in',
    'c.pem',
    '-passout',
    'pass:x',
    '-out',
    'k.p12',
  )
  const cases: readonly (readonly [RegExp, readonly string[]])[] = [
    [/EC key: .*`openssl genpkey/, ['ec-with-parameters.pem', 'ec.pem', 'ec8.pem'].map(read)],
    [/RSA-PSS.*`openssl genpkey/, [read('pss.pem')]],
    [/Edwards or Montgomery/, [read('ed.pem'), read('x25519.pem')]],
    [/DSA key/, [read('dsa.pem'), read('dsa8.pem')]],
    [/three primes or more/, [read('three.pem'), read('three1.pem')]],
    [/encrypted.*passphrase.*`openssl pkey -in/, [read('e8.pem'), read('e1.pem')]],
    [/public key: send the private key/, [read('public.pem')]],
    [/certificate: send the private key/, [certificatePem]],
    [/PKCS#12 file.*`openssl pkcs12/, asTexts(readFileSync(path('k.p12')))],
    [/DER.*`openssl pkey -inform DER/, broken(derOf('rsa', '-in', 'key.pem'))],
    [
      /DER.*`openssl pkey -inform DER/,
      broken(derOf('pkcs8', '-topk8', '-nocrypt', '-in', 'key.pem')),
    ],
    [/public key: send/, [base64(derOf('rsa', '-in', 'key.pem', '-RSAPublicKey_out'))]],
    [/encrypted.*passphrase/, [read('e8.pem').replaceAll('ENCRYPTED ', '')]],
    [/a certificate in DER/, [certificatePem.replaceAll('CERTIFICATE', 'PRIVATE KEY')]],
    [
      /a certificate in DER.*: send the private key$/,
      ['-in', '-req'].map((kind) => base64(derOfCertificate(kind))),
    ],
    [
      /certificate request: send/,
      [base64(derOf('req', '-new', '-key', 'key.pem', '-subj', '/CN=x'))],
    ],
    [/JSON Web Key.*: convert it with `node -p/, [jwkOf(keyPem), JSON.stringify(jwkOf(keyPem))]],
    [/PuTTY format.*`puttygen/, ['PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\n']],
    [/public key of OpenSSH/, [`ssh-rsa ${base64('\0\0\0\u0007ssh-rsa')}${'A'.repeat(300)} x@y`]],
  ]
  for (const [words, texts] of cases) {
    for (const text of texts) {
      const detail = refusal(() => parsePrivateKey(text))
      t.match(detail, words)
      t.notMatch(detail, /damaged/, detail)
    }
  }
})

t.test(
  'names the form of a certificate that it cannot read, and one command that works',
  async (t) => {
    run('crl2pkcs7', '-nocrl', '-certfile', 'c.pem', '-out', 'bundle.pem')
    const p7 = derOf('crl2pkcs7', '-nocrl', '-certfile', 'c.pem')
    run('x509', '-in', 'c.pem', '-trustout', '-addtrust', 'clientAuth', '-out', 'trusted.pem')
    const cases: readonly (readonly [RegExp, string, string?])[] = [
      [/PKCS#7/, read('bundle.pem'), 'bundle.p7b'],
      ...asTexts(p7).map((text) => [/PKCS#7/, text] as const),
      [/TRUSTED CERTIFICATE/, read('trusted.pem'), 'trusted.pem'],
      ...broken(derOf('x509', '-in', 'c.pem')).map(
        (text) => [/DER.*`openssl x509 -inform/, text] as const,
      ),
    ]
    const key = base64(derOf('pkcs8', '-topk8', '-nocrypt', '-in', 'key.pem'))
    t.match(
      refusal(() => parseCertificate(key, { now })),
      /private key in DER.*: send the certificate$/,
    )
    for (const [words, text, file] of cases) {
      const detail = refusal(() => parseCertificate(text, { now }))
      t.match(detail, words)
      t.notMatch(detail, /damaged/)
      if (file === undefined) continue
      write(file, text)
      const command = /`openssl ([^`]+)`/.exec(detail)?.[1] ?? ''
      run(...command.split(' '))
      t.equal(parseCertificate(read('certificate.pem'), { now }).pem, certificatePem, command)
    }
  },
)

t.test('tells a PEM that was cut or changed from one that it does not know', async (t) => {
  const lines = keyPem.split('\n')
  const short = refusal(() => parsePrivateKey(lines.toSpliced(5, 2).join('\n')))
  t.match(short, /96 of its 1\d{3} bytes are missing/)
  t.match(
    refusal(() => parsePrivateKey(lines.slice(0, 12).join('\n'))),
    /-----END line is missing/,
  )
  t.match(
    refusal(() => parsePrivateKey(lines.slice(3).join('\n'))),
    /-----BEGIN line is missing/,
  )
  t.match(
    refusal(() => parsePrivateKey(lines.slice(1, -4).join('\n'))),
    /\d+ of its 1\d{3} bytes are missing/,
  )
  const shown = keyPem.replace(/\n(.{20})/, '\n\u2026$1')
  t.match(
    refusal(() => parsePrivateKey(shown)),
    /not base64 \(U\+2026\)/,
  )
})

t.test('takes serial numbers that RFC 5280 does not allow, and warns of what is odd', async (t) => {
  const made = (...flags: readonly string[]) => {
    run('req', '-x509', '-new', '-key', 'key.pem', '-subj', '/CN=o', ...flags, '-out', 'odd.pem')
    return parseCertificate(read('odd.pem'), { now })
  }
  t.same(made('-set_serial', '-5').warnings, [])
  t.same(made('-set_serial', `0x${'7f'.repeat(23)}`).warnings, [])
  t.match(made('-md5').warnings.join(), /signed with md5\w*, which is broken/i)
  t.match(made('-sha1').warnings.join(), /signed with sha1\w*, which is broken/i)
  run('req', '-new', '-key', 'key.pem', '-subj', '/CN=late', '-out', 'late.csr')
  write('index.txt', '')
  write('serial', '01')
  write(
    'ca.cnf',
    '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n',
  )
  run(
    ...'ca -batch -selfsign -config ca.cnf -keyfile key.pem -in late.csr -startdate 20991231000000Z -enddate 21001231000000Z -out late.pem'.split(
      ' ',
    ),
  )
  const late = parseCertificate(read('late.pem'), { now })
  t.match(late.warnings.join(), /not valid before 2099-12-31/)
  const digest = createHash('sha256').update(new X509Certificate(late.pem).raw).digest('hex')
  t.equal(late.fingerprintSha256.replaceAll(':', '').toLowerCase(), digest)
})
