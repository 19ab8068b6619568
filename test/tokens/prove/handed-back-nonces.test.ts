import t from 'tap'
import { createHandedBackNonces } from '../../../src/tokens/prove/handed-back-nonces.ts'

const use = { principal: 'api-key:a', integration: 'billing', thumbprint: 'k', host: 'h' }

t.test('a nonce counts for who handed it back, until the fleet learns another', async (t) => {
  let fleet: string | undefined = 'old'
  const nonces = createHandedBackNonces({ of: () => fleet })
  t.equal(nonces.of(use), 'old')
  t.ok(nonces.isNews(use, 'n1'))
  nonces.put(use, 'n1')
  t.notOk(nonces.isNews(use, 'n1'))
  t.equal(nonces.of(use), 'n1')
  for (const other of [{ principal: 'api-key:b' }, { thumbprint: 'l' }, { host: 'i' }]) {
    t.equal(nonces.of({ ...use, ...other }), 'old', JSON.stringify(other))
  }
  fleet = 'new'
  t.equal(nonces.of(use), 'new')
  nonces.put(use, 'n2')
  t.equal(nonces.of(use), 'n2')
})

t.test('a caller that invents nonces takes no more memory than its own', async (t) => {
  const nonces = createHandedBackNonces({ of: () => undefined })
  nonces.put({ ...use, principal: 'first' }, 'n')
  for (let at = 0; at < 20_000; at += 1) nonces.put(use, `n${at}`)
  t.equal(nonces.of({ ...use, principal: 'first' }), 'n')
  for (let at = 0; at < 10_000; at += 1) nonces.put({ ...use, principal: `p${at}` }, 'n')
  t.equal(nonces.of({ ...use, principal: 'first' }), undefined)
  t.equal(nonces.of({ ...use, principal: 'p0' }), 'n')
})
