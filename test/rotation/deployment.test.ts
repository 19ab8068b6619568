import t from 'tap'
import { BrokerError } from '../../src/errors/errors.ts'
import type { ProblemCode } from '../../src/errors/problems.ts'
import { classify, grantRefused } from '../../src/grants/refusals/refusals.ts'
import {
  afterError,
  type Deployment,
  deploymentFailed,
  isDeploymentOver,
  moved,
  newDeployment,
  type Phase,
  pairAfter,
} from '../../src/rotation/deployment.ts'

const START = Date.parse('2026-11-22T10:00:00Z')
const by = { principal: 'admin', requestId: 'r1' }
const fresh = newDeployment({ uid: 'u1', credential: 'c1', by }, START)
const inPhase = (phase: Phase): Deployment => moved(fresh, phase, START)
const problem = (code: ProblemCode, retryAfterMs?: number) =>
  new BrokerError(code, 'so it is', retryAfterMs === undefined ? {} : { retryAfterMs })

t.test('a new one may be worked at now', async (t) => {
  t.match(fresh, { phase: 'requested', nextAt: START, tries: 0, reason: null, deployId: null })
  t.equal(isDeploymentOver(fresh), false)
  t.equal(isDeploymentOver(inPhase('activated')), true)
  t.equal(isDeploymentOver(deploymentFailed(fresh, 'token_refused', 'no', START)), true)
})

t.test('a failure says in which phase, and why', async (t) => {
  t.match(deploymentFailed(inPhase('deploying'), 'deployment_failed', 'Failed: x', START + 1), {
    phase: 'failed',
    failedIn: 'deploying',
    reason: 'deployment_failed',
    detail: 'Failed: x',
    phaseAt: START + 1,
  })
})

t.test('trouble that passes is tried again, ever more slowly', async (t) => {
  let deployment = inPhase('requested')
  const rests: number[] = []
  for (let count = 0; count < 8; count += 1) {
    deployment = afterError(deployment, problem('salesforce_unavailable'), START)
    rests.push(deployment.nextAt - START)
  }
  t.same(
    rests,
    [1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1000),
  )
  t.match(deployment, { phase: 'requested', reason: 'salesforce_unavailable', tries: 8 })
  t.equal(moved(deployment, 'uploaded', START).tries, 0)
})

t.test('a rest that was asked for is kept', async (t) => {
  const rested = afterError(fresh, problem('login_budget_exhausted', 600_000), START)
  t.equal(rested.nextAt, START + 600_000)
})

t.test('retries end, and the last error is the reason', async (t) => {
  const late = START + 3_600_001
  t.match(afterError(inPhase('requested'), problem('salesforce_timeout'), late), {
    phase: 'failed',
    failedIn: 'requested',
    reason: 'salesforce_timeout',
  })
})

t.test('what somebody must mend ends it at once', async (t) => {
  const refused = classify({
    error: 'invalid_grant',
    errorDescription: 'inactive user',
    secrets: [],
  })
  for (const error of [
    grantRefused(refused),
    problem('integration_not_found'),
    problem('integration_disabled'),
    problem('credential_not_found'),
    problem('token_still_live'),
    problem('identity_changed'),
  ]) {
    t.match(afterError(inPhase('requested'), error, START), { phase: 'failed', reason: error.code })
  }
})

t.test('a refusal that waits or passes is waited for', async (t) => {
  const refused = classify({
    error: 'invalid_grant',
    errorDescription: 'login rate exceeded',
    secrets: [],
  })
  const waiting = afterError(inPhase('requested'), grantRefused(refused), START)
  t.match(waiting, { phase: 'requested', reason: 'grant_refused' })
  t.ok(waiting.nextAt > START + 60_000)
})

t.test('a proof is tried for half an hour while the certificate spreads', async (t) => {
  let deployment = inPhase('deployed')
  let now = START
  let proofs = 0
  while (!isDeploymentOver(deployment)) {
    proofs += 1
    deployment = afterError(deployment, problem('credential_rejected'), now)
    now = deployment.nextAt
  }
  t.match(deployment, { failedIn: 'deployed', reason: 'credential_rejected' })
  t.ok(deployment.phaseAt - START > 1_800_000)
  t.ok(proofs < 60, `each costs a login of 120 an hour: ${proofs}`)
  const elsewhere = afterError(inPhase('requested'), problem('credential_rejected'), START)
  t.equal(elsewhere.phase, 'failed')
})

t.test('what was proven of a former version is proven again', async (t) => {
  for (const code of ['integration_changed', 'credential_state'] as const) {
    t.match(afterError(inPhase('proven'), problem(code), START), {
      phase: 'deployed',
      nextAt: START,
    })
  }
  t.match(afterError(inPhase('proven'), problem('store_unavailable'), START), { phase: 'proven' })
})

t.test('an error of no kind is not shown, and tried again', async (t) => {
  const deployment = afterError(fresh, new Error('secret thing'), START)
  t.match(deployment, { phase: 'requested', reason: 'internal' })
  t.notMatch(deployment.detail, 'secret')
})

t.test('of a secret it is over when the former pair has ended', async (t) => {
  const pair = { place: { app: 'a', consumer: 'c' }, stagedId: 's' }
  const at = (phase: Phase): Deployment => ({ ...inPhase(phase), pair })
  t.equal(isDeploymentOver(at('activated')), false)
  t.equal(isDeploymentOver(at('retired')), true)
  const late = START + 100 * 3_600_000
  t.equal(afterError(at('activated'), problem('integration_not_found'), late).phase, 'activated')
  t.equal(afterError(at('activated'), problem('credential_not_found'), late).phase, 'failed')
  t.same(pairAfter(deploymentFailed(at('deployed'), 'credential_rejected', 'no', START)), pair)
  for (const former of [
    undefined,
    at('retired'),
    deploymentFailed(at('activated'), 'taken_back', '', 1),
  ]) {
    t.same(pairAfter(former), { place: null, stagedId: null })
  }
})
