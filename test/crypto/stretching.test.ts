/** Work that a file asks for before its passphrase opens it. Keys are made by openssl; a greedy one is made of them by changing the number. */
import t from 'tap'
import { encryptedKeyOf } from '../../src/crypto/key-pair.ts'
import { decryptKey } from '../../src/crypto/keystore.ts'
import { roundsOf } from '../../src/crypto/stretching.ts'
import { openssl } from '../support/openssl.ts'

const { run, read } = openssl(t)
const PASSPHRASE = 'stretched'
run('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'key.pem')

function encrypted(...flags: readonly string[]) {
  run(
    ...['pkcs8', '-topk8', '-in', 'key.pem', '-out', 'locked.pem'],
    ...['-passout', `pass:${PASSPHRASE}`, ...flags],
  )
  const block = encryptedKeyOf(read('locked.pem'))
  if (block === undefined) throw new Error('it is not encrypted')
  return block
}

t.test('reads how much is asked for, whatever stretches the passphrase', async (t) => {
  for (const [flags, rounds] of [
    [['-v2', 'aes256', '-iter', '70000'], 70_000],
    [['-v2', 'des3', '-v2prf', 'hmacWithSHA1', '-iter', '3000'], 3_000],
    [['-v1', 'PBE-SHA1-3DES', '-iter', '4000'], 4_000],
    [['-scrypt', '-scrypt_N', '1024', '-scrypt_r', '8', '-scrypt_p', '3'], 1_024 * 8 * 3],
  ] as const) {
    const block = encrypted(...flags)
    t.equal(roundsOf(block.der), rounds, flags.join(' '))
    t.match(await decryptKey(block, PASSPHRASE), /BEGIN PRIVATE KEY/)
  }
  t.equal(roundsOf(Buffer.from('3080', 'hex')), undefined)
  t.equal(roundsOf(Buffer.alloc(0)), undefined)
})

t.test('a key that asks for more than anybody waits for is refused at once', async (t) => {
  const { der, ...block } = encrypted('-v2', 'aes256', '-iter', String(0x0081_2345))
  const greedy = Buffer.from(der)
  const at = der.indexOf(Buffer.from('020400812345', 'hex'))
  greedy.writeUInt32BE(0x7fff_ffff, at + 2)
  const lines = greedy.toString('base64').replace(/.{64}/g, '$&\n')
  const text = `-----BEGIN ${block.label}-----\n${lines}\n-----END ${block.label}-----`
  const before = performance.now()
  await t.rejects(decryptKey({ ...block, text, der: greedy }, PASSPHRASE), {
    code: 'credential_invalid',
    message: /more than 10000000 iterations: encrypt it again with `openssl pkcs8/,
  })
  t.ok(performance.now() - before < 5_000)
})
