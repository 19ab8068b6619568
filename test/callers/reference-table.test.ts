import t from 'tap'
import type { Principal } from '../../src/callers/policy.ts'
import {
  REFERENCES,
  type Reference,
  type ReferenceRow,
  requireReference,
} from '../../src/callers/reference-table.ts'

const ROWS: readonly [string, ReferenceRow][] = Object.entries(REFERENCES)

for (const [reference, { permission }] of ROWS) {
  t.test(`${reference} takes ${permission}, on that integration`, async (t) => {
    const who = (...permits: Principal['permits']): Principal => ({
      ...{ id: 'api-key:maker', kind: 'api_key', name: 'maker' },
      permits,
    })
    const outcome = (principal: Principal) => {
      try {
        requireReference(principal, reference as Reference, { name: 'crm', labels: { tier: '1' } })
        return 'allowed'
      } catch (error) {
        return (error as { code: string }).code
      }
    }
    const permit = { permission, integrations: ['crm'], labels: { tier: '1' } }
    t.equal(outcome(who(permit)), 'allowed')
    t.equal(outcome(who({ ...permit, integrations: ['mine'] })), 'caller_forbidden')
    t.equal(outcome(who({ ...permit, labels: { tier: '2' } })), 'caller_forbidden')
    t.equal(outcome(who({ ...permit, permission: 'integrations:write' })), 'caller_forbidden')
  })
}
