/** Problems of another integration, in words that do not name it. */
import t from 'tap'
import type { Principal } from '../../../src/callers/policy.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import { refusedAtSource } from '../../../src/grants/refusals/refusals.ts'
import type { SealedIntegration } from '../../../src/integrations/integration-store.ts'
import { readLender } from '../../../src/integrations/references/lending.ts'
import { problemShownTo, unnamed } from '../../../src/integrations/references/visible.ts'
import { integrationOf } from '../../support/integrations.ts'

const NAME = 'zq7-improbable-xv'

const reader = (...integrations: string[]): Principal => ({
  ...{ id: 'api-key:k', kind: 'api_key', name: 'k' },
  permits: [{ permission: 'integrations:read', integrations, labels: {} }],
})

const told = ({ detail, remedy, members }: BrokerError) =>
  JSON.stringify({ detail, remedy, members })

t.test('whatever failed at a source, the words name it only to its readers', async (t) => {
  const failures = [
    new BrokerError('conflict', `Others changed integration ${NAME} at the same time`),
    new BrokerError('record_corrupt', `The record integration ${NAME} does not verify`),
    new BrokerError('refresh_token_doubted', `The refresh token of ${NAME}`, {
      ...{ retryAfterMs: 5_000, remedy: `Look at ${NAME}.` },
    }),
  ]
  for (const failure of failures) {
    const error = refusedAtSource(failure, NAME)
    t.equal(problemShownTo(reader(NAME), error), error)
    for (const principal of [reader('mine'), undefined]) {
      const shown = problemShownTo(principal, error)
      t.notMatch(told(shown), NAME)
      const { code, status, retryAfterMs } = failure
      t.match(shown, { code, status, retryAfterMs, cause: error })
    }
    const far = problemShownTo(reader('mine'), refusedAtSource(error, 'mine'))
    t.match(far.members, { source: 'mine' })
    t.notMatch(told(far), NAME, 'a source in between does not name its own')
  }
  const own = new BrokerError('conflict', 'Others changed it')
  t.equal(problemShownTo(reader('mine'), own), own)
})

t.test('a lender whose record cannot be used is not named', async (t) => {
  const corrupt = new BrokerError('record_corrupt', `The record integration ${NAME} is corrupt`)
  const fails = () => Promise.reject(corrupt)
  const unread = await readLender({ readSealed: fails }, NAME).catch((error) => error)
  const sealed: SealedIntegration = {
    ...{ integration: integrationOf({ name: NAME }), digests: [], open: fails },
    seal: { secrets: '', definition: '' },
  }
  const lender = await readLender({ readSealed: async () => sealed }, NAME)
  const unopened = await lender?.open().catch((error) => error)
  for (const error of [unread, unopened]) {
    t.match(error, { code: 'record_corrupt', cause: corrupt })
    t.notMatch(told(error), NAME)
  }
  t.equal(await readLender({ readSealed: async () => undefined }, NAME), undefined)
  const away = new BrokerError('store_unavailable', 'It is away')
  await t.rejects(unnamed(Promise.reject(away)), away, 'what says nothing of a record stays')
})
