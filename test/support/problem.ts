/** Whether an answer is a problem as the contract has it. */
import { PROBLEMS, type ProblemCode } from '../../src/errors/problems.ts'
import { statusesOf } from '../../src/http/problems/problem.ts'

export interface ErrorAnswer {
  readonly status: number
  readonly contentType: string | null | undefined
  readonly requestId: string | null | undefined
  readonly body: unknown
}

const MEMBERS = [
  'type',
  'title',
  'status',
  'detail',
  'remedy',
  'instance',
  'code',
  'request_id',
] as const

/** Everything that is wrong with it; empty where it is a good one. */
export function problemFaults({ status, contentType, requestId, body }: ErrorAnswer): string[] {
  const faults: string[] = []
  const check = (isGood: boolean, fault: string) => {
    if (!isGood) faults.push(fault)
  }
  check(contentType === 'application/problem+json', `its media type is ${contentType}`)
  check(Boolean(requestId), 'it has no X-Request-Id')
  if (typeof body !== 'object' || body === null) return [...faults, 'its body is no JSON object']
  const problem = body as Readonly<Record<string, unknown>>
  for (const member of MEMBERS) {
    const wanted = member === 'status' ? 'number' : 'string'
    check(typeof problem[member] === wanted, `${member} is not a ${wanted}`)
  }
  const code = String(problem.code)
  if (!Object.hasOwn(PROBLEMS, code)) return [...faults, `${code} is not in the table`]
  const row = PROBLEMS[code as ProblemCode]
  check(statusesOf(code as ProblemCode).includes(status), `${code} ${status}`)
  check(problem.remedy !== '', 'it has no remedy')
  check(problem.status === status, 'status differs between line and body')
  check(problem.title === row.title, 'title is not the table’s')
  check(problem.type === `/problems/${code}`, 'type is not of its code')
  check(problem.request_id === requestId, 'request_id differs between header and body')
  check(/^\/(?!\/)/.test(String(problem.instance)), 'instance is not a path')
  check(!/\p{Cc}/u.test(JSON.stringify(problem)), 'it has control characters')
  return faults
}
