import t from 'tap'
import { readinessOf } from '../../src/service/readiness.ts'

const WELL = {
  ...{
    hasBeenRead: true,
    isCurrent: true,
    isSlow: false,
    isStopping: false,
    isAuditBlocked: false,
  },
  store: {
    integrity: 'sound',
    evictionPolicy: undefined,
    trouble: undefined,
    corrupt: 0,
    age: undefined,
  },
  ...{ keyringTrouble: undefined, unproven: undefined, issuers: [] },
} as const

t.test(
  'of an issuer whose keys were not asked for yet nothing is said to have failed',
  async (t) => {
    const detailOf = (isFresh: boolean | undefined) => {
      const { checks } = readinessOf({ ...WELL, issuers: [{ issuer: 'https://idp', isFresh }] })
      return checks.find(({ name }) => name === 'issuer https://idp')
    }
    t.match(detailOf(undefined), { ok: false, detail: 'its keys were not fetched yet' })
    t.match(detailOf(false), { ok: false, detail: /^its keys could not be fetched/ })
    t.match(detailOf(true), { ok: true, detail: 'its keys are fresh' })
  },
)
