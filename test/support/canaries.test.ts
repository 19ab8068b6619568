import t from 'tap'
import { canary, findLeaks, formsOf, keyCanaries } from './canaries.ts'
import { newSigningKey } from './signing-key.ts'

const SECRET = 'aB3/+"\\ü?=&0123456789'

t.test('finds a secret in each of its forms, wherever it stands', async (t) => {
  const planted = canary('secret', SECRET)
  for (const [form, written] of formsOf(planted.bytes)) {
    const evidence = [
      { source: 'clean', content: 'nothing of it' },
      { source: 'text', content: Buffer.from(`before ${written} after`, 'latin1') },
    ]
    t.match(findLeaks([planted], evidence), [{ canary: 'secret', source: 'text' }], form)
  }
})

t.test('finds a secret inside of what was encoded as a whole', async (t) => {
  const planted = canary('secret', SECRET)
  for (const before of ['', 'a', 'ab', 'abc', 'id:']) {
    const whole = Buffer.from(`${before}${SECRET}:after`)
    for (const encoding of ['base64', 'base64url', 'hex', 'latin1'] as const) {
      const evidence = [{ source: 'log', content: whole.toString(encoding) }]
      const content = encoding === 'latin1' ? [{ source: 'log', content: whole }] : evidence
      t.ok(findLeaks([planted], content).length > 0, `${encoding} behind ${before.length}`)
    }
  }
})

t.test('finds a private key by each of its lines', async (t) => {
  const { privateKey, certificate } = await newSigningKey()
  const planted = keyCanaries('key', privateKey)
  const found = (content: string) => findLeaks(planted, [{ source: 'a', content }]).length > 0
  t.ok(found(privateKey))
  t.ok(found(JSON.stringify({ privateKey })))
  t.ok(found(privateKey.replaceAll('\n', '')))
  t.notOk(found(certificate), 'what is public is none of it')
})

t.test('does not look for what would be found by chance', async (t) => {
  t.throws(() => findLeaks([canary('short', 'abc')], []), /too short/)
})
