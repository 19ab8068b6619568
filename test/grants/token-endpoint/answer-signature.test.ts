import t from 'tap'
import { Secret } from '../../../src/crypto/secret.ts'
import { isSignedWith } from '../../../src/grants/token-endpoint/answer-signature.ts'
import { openssl } from '../../support/openssl.ts'

const SECRET = 'a consumer secret'
const text = 'https://login.salesforce.com/id/00D000000000001/0050000000000011657741493797'

t.test('agrees with openssl', async (t) => {
  const { run, write, read } = openssl(t)
  write('text', text)
  run('dgst', '-sha256', '-hmac', SECRET, '-binary', '-out', 'mac', 'text')
  run('base64', '-A', '-in', 'mac', '-out', 'mac.base64')
  const signature = read('mac.base64')
  t.equal(isSignedWith({ text, signature }, new Secret(SECRET)), true)
  t.equal(isSignedWith({ text, signature }, new Secret('another')), false)
  t.equal(isSignedWith({ text: `${text}1`, signature }, new Secret(SECRET)), false)
  for (const bad of ['', 'AAAA', signature.slice(0, -4), `x${signature.slice(1)}`]) {
    t.equal(isSignedWith({ text, signature: bad }, new Secret(SECRET)), false)
  }
})
