import t from 'tap'
import { ACTIONS } from '../../src/audit/actions.ts'
import { eventText, NOBODY } from '../../src/audit/event.ts'

t.test('only token reads and proofs stay out of the store', async (t) => {
  const lineOnly = Object.entries(ACTIONS).filter(([, { share }]) => share === null)
  t.strictSame(
    lineOnly.map(([action]) => action),
    ['token.read', 'token.proved'],
  )
})

t.test('an event is one line, whatever a principal is called', async (t) => {
  const principal = 'jwt:https://issuer#"quoted"\n{"action":"forged"}'
  const text = eventText(
    { id: 'i', at: 'a' },
    { ...NOBODY, principal },
    {
      action: 'token.minted',
      integration: 'billing',
    },
  )
  t.notOk(text.includes('\n'))
  t.equal(JSON.parse(text).principal, principal)
})

t.test('what is said in the detail is bounded', async (t) => {
  const text = eventText({ id: 'i', at: 'a' }, NOBODY, {
    action: 'request.denied',
    integration: null,
    detail: { reason: 'x'.repeat(10_000), count: 3 },
  })
  t.ok(text.length < 500)
  t.equal(JSON.parse(text).detail.count, 3)
})
