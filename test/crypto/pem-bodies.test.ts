/** Keys and certificates whose lines around the body were lost, or say something else than the body. */
import t from 'tap'
import { parseCertificate } from '../../src/crypto/certificate.ts'
import { encryptedKeyOf, parsePrivateKey } from '../../src/crypto/key-pair.ts'
import { openssl } from '../support/openssl.ts'

const { run, read } = openssl(t)
const now = Date.now()

run('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'key.pem')
run('rsa', '-in', 'key.pem', '-traditional', '-out', 'pkcs1.pem')
run('req', '-x509', '-new', '-key', 'key.pem', '-days', '30', '-subj', '/CN=forms', '-out', 'c.pem')
const keyPem = read('key.pem')
const certificatePem = read('c.pem')

/** A body that has lost a line at either end, or both; it can be nothing else than what it is. */
const BARE: Readonly<Record<string, (pem: string) => string>> = {
  'without both': (pem) => pem.split('\n').slice(1, -2).join('\n'),
  'in one line': (pem) => pem.split('\n').slice(1, -2).join(''),
  'escaped and in quotes': (pem) => JSON.stringify(pem.split('\n').slice(1, -2).join('\n')),
  'without the first': (pem) => pem.split('\n').slice(1).join('\n'),
  'without the last': (pem) => pem.split('\n').slice(0, -2).join('\n'),
  'with ends that differ': (pem) => pem.replace('BEGIN ', 'BEGIN OTHER '),
  'with fewer dashes': (pem) => pem.replaceAll('-----', '---'),
  'without dashes': (pem) => pem.replaceAll('-----', ''),
}

t.test('reads a body without its BEGIN or its END line', async (t) => {
  for (const [name, change] of Object.entries(BARE)) {
    for (const plain of [keyPem, read('pkcs1.pem')]) {
      const key = parsePrivateKey(change(plain))
      t.equal(key.pem.reveal(), keyPem, name)
      t.match(key.normalized.join(), /BEGIN and END lines were restored/, name)
    }
    const certificate = parseCertificate(change(certificatePem), { now })
    t.equal(certificate.pem, certificatePem, name)
    t.match(certificate.normalized.join(), /BEGIN and END lines were restored/, name)
  }
  run('pkcs8', '-topk8', '-passout', 'pass:x', '-in', 'key.pem', '-out', 'locked.pem')
  for (const change of Object.values(BARE)) {
    t.ok(encryptedKeyOf(change(read('locked.pem'))), 'an encrypted key, too')
  }
})

t.test('goes by what a private key is, where its label says another form', async (t) => {
  const relabelled = read('pkcs1.pem').replaceAll('RSA PRIVATE', 'PRIVATE')
  t.equal(parsePrivateKey(relabelled).pem.reveal(), keyPem)
  t.equal(parsePrivateKey(keyPem.replaceAll('PRIVATE', 'RSA PRIVATE')).pem.reveal(), keyPem)
})

t.test('looks at the longest text in no time', async (t) => {
  for (const text of ['-', 'BEGIN ', 'BEGIN A ', '-----BEGIN A', 'A ', '\\n']) {
    const before = performance.now()
    t.throws(() => parsePrivateKey(text.repeat(65_536 / text.length)))
    t.ok(performance.now() - before < 500, text)
  }
})
