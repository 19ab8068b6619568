/** The wire form of a report. */
import { type Static, Type } from 'typebox'
import { refusalMember } from '../grants/refusals/refusals.ts'
import { salesforceMember } from '../grants/refusals/rest-refusal.ts'
import { RefusalSchema, SalesforceWordsSchema } from '../http/problems/problem.ts'
import {
  CHECK_OUTCOMES,
  CHECKS,
  type CheckName,
  type CheckOutcome,
  type DiagnosisCheck,
  isOk,
} from './check.ts'
import { LOGINS_ALLOWED, type Report } from './doctor.ts'

const CheckView = Type.Object(
  {
    check: Type.Unsafe<CheckName>({ type: 'string', enum: Object.keys(CHECKS) }),
    ok: Type.Boolean({ description: 'It passed, or ended with a warning' }),
    outcome: Type.Unsafe<CheckOutcome>({
      type: 'string',
      enum: [...CHECK_OUTCOMES],
      description: '`skipped`: another check must pass first',
    }),
    detail: Type.String(),
    remedy: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Null if there is nothing to do',
    }),
    refusal: Type.Optional(RefusalSchema),
    salesforce: Type.Optional(SalesforceWordsSchema),
    works: Type.Optional(
      Type.Object(
        { login_url: Type.String(), audience: Type.String() },
        {
          title: 'Way that works',
          description: 'For `audience`: Salesforce issues a token for this pair',
        },
      ),
    ),
  },
  { title: 'Check' },
)

export const ReportView = Type.Object(
  {
    integration: Type.String(),
    ok: Type.Boolean({ description: 'Every check is ok' }),
    logins_used: Type.Integer({ description: 'Token requests of this run' }),
    logins_allowed: Type.Integer({ description: 'Most token requests of one run' }),
    checks: Type.Array(CheckView, {
      description: 'In the order of dependencies; checks that do not apply are omitted',
    }),
  },
  { title: "Doctor's report", description: 'The checks and their remedies' },
)

/** `isNamed`: whether the reader may know the source of a token. */
export function reportView(
  { integration, ok, loginsUsed, checks }: Report,
  isNamed: (source: string) => boolean,
): Static<typeof ReportView> {
  return {
    integration,
    ok,
    logins_used: loginsUsed,
    logins_allowed: LOGINS_ALLOWED,
    checks: checks.map((check) => checkView(check, isNamed)),
  }
}

function checkView(
  check: DiagnosisCheck,
  isNamed: (source: string) => boolean,
): Static<typeof CheckView> {
  const { works, refusal, salesforce, outcome, atSource } = check
  const { detail, remedy } = atSource && !isNamed(atSource.name) ? atSource : check
  return {
    check: check.check,
    ok: isOk(check),
    outcome,
    detail,
    remedy,
    ...(refusal && { refusal: refusalMember(refusal) }),
    ...(salesforce && { salesforce: salesforceMember(salesforce) }),
    ...(works && { works: { login_url: works.loginUrl, audience: works.audience } }),
  }
}
