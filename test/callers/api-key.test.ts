import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import {
  API_KEY_PATTERN,
  digestOfApiKey,
  generateApiKey,
  idOfApiKey,
} from '../../src/callers/api-key.ts'

t.test('a key has the documented form, and its id can be read from it', async (t) => {
  for (let round = 0; round < 200; round += 1) {
    const { id, key, digest } = generateApiKey(randomBytes)
    const text = key.reveal()
    t.match(text, /^vk_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}$/)
    t.match(text, API_KEY_PATTERN)
    t.equal(idOfApiKey(text), id)
    t.equal(digestOfApiKey(text).toString('base64url'), digest)
  }
})

t.test('the whole range of random bits fits', async (t) => {
  const least = generateApiKey((size) => new Uint8Array(size)).key.reveal()
  const most = generateApiKey((size) => new Uint8Array(size).fill(255)).key.reveal()
  t.match(least, /^vk_0{8}_0{43}/)
  t.equal(idOfApiKey(least), '00000000')
  t.equal(most.length, 61)
  t.type(idOfApiKey(most), 'string')
})

t.test('the checksum of a known key is what others would compute', async (t) => {
  // CRC-32 of "vk_00000000_" and 43 zeros, in base 62, by another program.
  const key = generateApiKey((size) => new Uint8Array(size)).key.reveal()
  t.equal(key.slice(-6), '2k9a8f')
})

t.test('any single wrong character is noticed', async () => {
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  const text = generateApiKey(randomBytes).key.reveal()
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: text.length - 1 }),
      fc.constantFrom(...alphabet),
      (at, other) => {
        const changed = text.slice(0, at) + other + text.slice(at + 1)
        return changed === text || idOfApiKey(changed) === undefined
      },
    ),
    { numRuns: 2_000 },
  )
})

t.test('what only looks like a key is none', async (t) => {
  const text = generateApiKey(randomBytes).key.reveal()
  for (const wrong of [
    '',
    'vk_',
    text.slice(1),
    ` ${text}`,
    `${text}\n`,
    `${text}0`,
    text.toUpperCase(),
  ]) {
    t.equal(idOfApiKey(wrong), undefined, JSON.stringify(wrong))
  }
})
