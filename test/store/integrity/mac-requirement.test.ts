import t from 'tap'
import { createMacs } from '../../../src/crypto/macs.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import { createMacRequirement } from '../../../src/store/integrity/mac-requirement.ts'
import type { Seals } from '../../../src/store/seals.ts'
import type {
  Documents,
  IntegrationRecords,
  SealedIntegrationRecord,
} from '../../../src/store/store.ts'
import { partOf } from '../../support/part.ts'

const macs = createMacs([{ id: 'k', key: crypto.getRandomValues(new Uint8Array(32)) }])
const HEADS = Array.from({ length: 120 }, (_, n) => ({
  id: `n${n}`,
  uid: 'u',
  version: 1,
  mac: '',
}))

/** A store of an older release, whose answers take a turn; `sealed`: the one whose seal says that codes are required. */
function requirementOf({ sealed = '', corrupt = '' } = {}) {
  let under = 0
  let most = 0
  const requirement = createMacRequirement({
    store: {
      documents: partOf<Documents>({ read: async () => undefined }),
      integrations: partOf<IntegrationRecords>({
        async readSealed(name) {
          under += 1
          most = Math.max(most, under)
          await new Promise(setImmediate)
          under -= 1
          return partOf<SealedIntegrationRecord>({ name })
        },
      }),
      seals: partOf<Seals>({ macs: async () => ({ items: HEADS, next: null }) }),
    },
    ...{ macs, mode: 'migrate', kinds: [], monotonic: () => performance.now() },
    async sealRequires({ name }) {
      if (name === corrupt) throw new BrokerError('record_corrupt', 'It does not open')
      return name === sealed
    },
    log: { error: () => undefined },
  })
  return { requirement, most: () => most }
}

t.test('a large store is searched many at once, for everybody waits for it', async (t) => {
  const { requirement, most } = requirementOf({ corrupt: 'n3' })
  const answers = await Promise.all([requirement.acceptsUnproven(), requirement.acceptsUnproven()])
  t.same(answers, [true, true])
  t.ok(most() >= 10 && most() <= 100, `${most()} at once, by one search`)
})

t.test('the one seal that requires codes is found, wherever it is', async (t) => {
  for (const sealed of ['n0', 'n49', 'n50', 'n119']) {
    const { requirement } = requirementOf({ sealed })
    t.notOk(await requirement.acceptsUnproven(), sealed)
    t.equal(requirement.stage(), 'b')
  }
})
