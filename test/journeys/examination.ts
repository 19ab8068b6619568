/** A run of the doctor in a test, and what holds of every report. */
import type { Test } from 'tap'
import { CHECKS } from '../../src/doctor/check.ts'
import type { Answer } from '../support/caller.ts'
import type { World } from './salesforce-world.ts'

export type Report = Answer['body']

export const examine = ({ broker }: World, name: string) =>
  broker.call('POST', `/integrations/${name}/test`)

/** By name of the check; what holds of every report is asserted. */
export function checksOf(t: Test, answer: Answer): Record<string, Report> {
  t.equal(answer.status, 200, JSON.stringify(answer.body))
  const { ok, checks, logins_used, logins_allowed } = answer.body as Report
  t.ok(logins_used <= logins_allowed && logins_allowed === 5)
  t.equal(
    ok,
    checks.every((one: Report) => one.ok),
  )
  const places = checks.map(({ check }: Report) => Object.keys(CHECKS).indexOf(check))
  t.strictSame(
    places,
    [...new Set(places)].sort((a, b) => Number(a) - Number(b)),
    'once, in order',
  )
  for (const { check, ok: isOk, outcome, detail, remedy } of checks) {
    t.match(detail, /^[A-Z\d`a-z].*[.]$/, `${check}: ${detail}`)
    t.equal(isOk, ['passed', 'warning'].includes(outcome))
    t.equal(remedy === null, outcome === 'passed', `${check} says what to do`)
  }
  return Object.fromEntries(checks.map((one: Report) => [one.check, one]))
}

export const failures = (checks: Record<string, Report>) =>
  Object.values(checks).flatMap(({ check, outcome }) => (outcome === 'failed' ? [check] : []))
