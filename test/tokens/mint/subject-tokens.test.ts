import t from 'tap'
import { BrokerError } from '../../../src/errors/errors.ts'
import { classify, grantRefused, refusalOf } from '../../../src/grants/refusals/refusals.ts'
import { isSignatureRefusal } from '../../../src/tokens/mint/candidates.ts'
import { isTransient } from '../../../src/tokens/mint/refusal-memory.ts'
import { createSubjectTokens } from '../../../src/tokens/mint/subject-tokens.ts'

const never = () => new AbortController().signal

async function errorOf(work: Promise<unknown>): Promise<BrokerError> {
  const error = await work.catch((thrown: unknown) => thrown)
  if (error instanceof BrokerError) return error
  throw new Error('no BrokerError', { cause: error })
}

t.test('what was refused at the source is no verdict on who exchanges its token', async (t) => {
  const ofSignature = grantRefused(
    classify({ error: 'invalid_client', errorDescription: 'invalid client credentials' }),
  )
  t.ok(isSignatureRefusal(ofSignature), 'where it belongs, it is')
  const tokens = createSubjectTokens(() => Promise.reject(ofSignature))
  const error = await errorOf(tokens.of('crm', { at: undefined, signal: never() }))
  t.match(error, { code: 'grant_refused', status: ofSignature.status, members: { source: 'crm' } })
  t.notMatch(error.detail, /crm/, 'not everybody may know its name')
  t.equal(refusalOf(error), undefined)
  t.notOk(isSignatureRefusal(error), 'or it could flip a credential that nobody refused')
  t.notOk(isTransient(error))
})

t.test('a token that proved alive, and a store that is away, stay what they are', async (t) => {
  for (const code of ['token_still_live', 'store_unavailable', 'store_reset'] as const) {
    const thrown = new BrokerError(code, 'as it is')
    const tokens = createSubjectTokens(() => Promise.reject(thrown))
    t.equal(await errorOf(tokens.of('crm', { at: undefined, signal: never() })), thrown)
  }
})

t.test('nobody waits for a source beyond the time of the request', async (t) => {
  const tokens = createSubjectTokens(() => new Promise(() => undefined))
  const abort = new AbortController()
  const asked = errorOf(tokens.of('crm', { at: undefined, signal: abort.signal }))
  abort.abort()
  t.match(await asked, { code: 'salesforce_timeout', retryAfterMs: 1_000 })
  t.match(await errorOf(tokens.of('crm', { at: undefined, signal: AbortSignal.abort() })), {
    code: 'salesforce_timeout',
  })
})
