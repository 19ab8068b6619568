import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import t from 'tap'
import { digestOfApiKey, generateApiKey } from '../../../src/callers/api-key.ts'
import { createApiKeyAuthenticator } from '../../../src/callers/authentication/api-key-authenticator.ts'
import { createRememberedDocuments } from '../../../src/callers/remembered-documents.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { DocumentRecord } from '../../../src/store/store.ts'

const REFUSED = { code: 'caller_unauthenticated', status: 401 }

/** One key that there is, in a store that counts what it is asked. */
function setUp() {
  let time = 1_000_000
  let isAway = false
  let isDeleted = false
  const made = generateApiKey(randomBytes)
  const reads: string[] = []
  const keys = createRememberedDocuments({
    kind: 'api-key',
    documents: {
      async read(_kind, id): Promise<DocumentRecord | undefined> {
        reads.push(id)
        if (isAway) throw new BrokerError('store_unavailable', 'the store does not answer')
        return id === made.id && !isDeleted
          ? { id, version: 1, body: made.key.reveal() }
          : undefined
      },
    },
    memory: {
      stream: { isCurrent: () => true, epoch: () => (isDeleted ? 2 : 1), silentForMs: () => 0 },
      isSlow: () => false,
      monotonic: () => time,
      degradedMs: 900_000,
    },
    parse: ({ body }) => ({
      digest: digestOfApiKey(body),
      expiresAt: Number.POSITIVE_INFINITY,
      principal: { id: 'api-key:it', kind: 'api_key' as const, name: 'it', permits: [] },
    }),
  })
  const authenticator = createApiKeyAuthenticator({ keys, now: () => time })
  return {
    made,
    reads,
    ask: async (bearer: string) => authenticator.authenticate({ bearer }),
    authenticate: authenticator.authenticate,
    pass: (ms: number) => {
      time += ms
    },
    deleteKey: () => {
      isDeleted = true
    },
    loseStore: () => {
      isAway = true
    },
  }
}

/** A fresh secret each time, with the same id. */
const forged = (id: string) => generateApiKey(randomBytes, id).key.reveal()

t.test('a wrong secret costs as many reads of the store as an id that nobody has', async (t) => {
  for (const isThere of [true, false]) {
    const { made, ask, reads, pass, loseStore } = setUp()
    t.match(await ask(made.key.reveal()), { name: 'it' })
    const { id } = isThere ? made : generateApiKey(randomBytes)
    const counts: number[] = []
    const attempt = async () => {
      const before = reads.length
      await t.rejects(ask(forged(id)), REFUSED)
      counts.push(reads.length - before)
    }
    await attempt()
    await attempt()
    pass(1_001)
    await attempt()
    t.same(counts, [1, 0, 1], isThere ? 'wrong' : 'unknown')
    pass(1_001)
    loseStore()
    await t.rejects(ask(forged(id)), { code: 'store_unavailable' }, 'and without it both say so')
  }
})

t.test('the right secret is answered from memory, whatever was tried with its id', async (t) => {
  const { made, ask, reads, loseStore } = setUp()
  await ask(made.key.reveal())
  await t.rejects(ask(forged(made.id)), REFUSED)
  loseStore()
  const before = reads.length
  t.match(await ask(made.key.reveal()), { name: 'it' })
  t.equal(reads.length, before)
})

t.test('a key that a connection repeats counts for as long as it is there', async (t) => {
  const { made, authenticate, deleteKey } = setUp()
  const credentials = { bearer: made.key.reveal(), socket: new Socket() }
  const ask = async (of = credentials) => authenticate(of)
  for (let times = 0; times < 3; times += 1) t.match(await ask(), { name: 'it' })
  await t.rejects(ask({ ...credentials, bearer: forged(made.id) }), REFUSED)
  t.match(await ask(), { name: 'it' })
  deleteKey()
  await t.rejects(ask(), REFUSED)
})
