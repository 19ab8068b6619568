import t from 'tap'
import {
  judgeStore,
  type StoreIdentity,
  type StoreIntegrity,
  type StoreMemory,
  type StoreNote,
} from '../../../src/store/integrity/store-integrity.ts'

const at = (id: string, seq: number): StoreIdentity => ({ id, seq })
const note = (standing: StoreNote['standing'], id: string, seq = 0): StoreNote => ({
  id,
  seq,
  standing,
})

type Look = readonly [StoreIdentity, StoreNote?]

/** What a replica thinks after each of these looks. */
function integrityAfter(...looks: readonly Look[]): readonly StoreIntegrity[] {
  let memory: StoreMemory | undefined
  return looks.map(([current, noted]) => {
    memory = judgeStore(memory, current, noted)
    return memory.integrity
  })
}

t.test('takes the first store that it sees for the right one', async (t) => {
  t.same(integrityAfter([at('a', 0)], [at('a', 5)], [at('a', 5)]), ['sound', 'sound', 'sound'])
})

t.test('takes another store for a wiped one, until it is accepted', async (t) => {
  t.same(
    integrityAfter(
      [at('a', 5)],
      [at('b', 0)],
      [at('b', 9)],
      [at('b', 9), note('wiped', 'b')],
      [at('b', 10), note('accepted', 'b', 9)],
      [at('b', 11), note('accepted', 'b', 9)],
    ),
    ['sound', 'wiped', 'wiped', 'wiped', 'sound', 'sound'],
  )
})

t.test('needs another acceptance for the next store', async (t) => {
  t.same(
    integrityAfter(
      [at('a', 5)],
      [at('b', 0)],
      [at('b', 1), note('accepted', 'b', 0)],
      [at('c', 0)],
      [at('c', 1), note('accepted', 'b', 0)],
      [at('d', 1)],
      [at('d', 2), note('accepted', 'd', 1)],
    ),
    ['sound', 'wiped', 'sound', 'wiped', 'wiped', 'wiped', 'sound'],
  )
})

t.test('takes fewer changes than before for the past, and does not forget them', async (t) => {
  t.same(
    integrityAfter(
      [at('a', 50)],
      [at('a', 40)],
      [at('a', 60)],
      [at('a', 61), note('accepted', 'a', 39)],
      [at('a', 62), note('accepted', 'a', 61)],
      [at('a', 63), note('accepted', 'a', 61)],
      [at('a', 62), note('accepted', 'a', 61)],
    ),
    ['sound', 'rewound', 'rewound', 'rewound', 'sound', 'sound', 'rewound'],
    'an acceptance from before is part of the past',
  )
})

t.test('knows the store again when it comes back', async (t) => {
  t.same(
    integrityAfter([at('a', 50)], [at('b', 0)], [at('a', 50)]),
    ['sound', 'wiped', 'sound'],
    'as it was',
  )
  t.same(
    integrityAfter([at('a', 50)], [at('b', 0)], [at('a', 40)], [at('a', 60)]),
    ['sound', 'wiped', 'rewound', 'rewound'],
    'from an older backup',
  )
  t.same(integrityAfter([at('a', 50)], [at('a', 40)], [at('b', 0)], [at('a', 50)]), [
    'sound',
    'rewound',
    'wiped',
    'sound',
  ])
})

t.test('learns from the others what was before it started', async (t) => {
  t.same(
    integrityAfter(
      [at('b', 3), note('wiped', 'b')],
      [at('b', 4), note('wiped', 'b')],
      [at('b', 5), note('accepted', 'b', 4)],
    ),
    ['wiped', 'wiped', 'sound'],
  )
  t.same(
    integrityAfter(
      [at('a', 3), note('rewound', 'a', 2)],
      [at('a', 9), note('rewound', 'a', 2)],
      [at('a', 9), note('accepted', 'a', 9)],
    ),
    ['rewound', 'rewound', 'sound'],
  )
  t.same(integrityAfter([at('a', 3)], [at('a', 4), note('rewound', 'a', 3)]), ['sound', 'rewound'])
  t.same(integrityAfter([at('a', 3), note('wiped', 'b')]), ['sound'], 'a note about another store')
  t.same(integrityAfter([at('a', 3), note('accepted', 'a', 1)]), ['sound'])
})
