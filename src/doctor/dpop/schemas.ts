/** The wire form of the report of probes. */
import { type Static, Type } from 'typebox'
import { PROBE_LOGINS_ALLOWED, type ProbeReport } from './prober.ts'
import {
  POSTURES,
  type Posture,
  PROBE_RESULTS,
  PROBES,
  type ProbeFindingResult,
  type ProbeName,
} from './probes.ts'

export const DpopReport = Type.Object(
  {
    at: Type.String({ format: 'date-time' }),
    grant: Type.String({ description: 'The type of the grant' }),
    posture: Type.Unsafe<Posture>({
      type: 'string',
      enum: [...POSTURES],
      description:
        '`required`: the app refuses requests without a proof. `allowed`: it also gives bearer tokens. `unknown`: the grant binds no token, or the answers do not tell',
    }),
    newest_api_version: Type.Unsafe<string | null>({
      type: ['string', 'null'],
      description: 'Of the org, which tells its release. Null: unknown',
      examples: ['67.0'],
    }),
    logins_used: Type.Integer({ description: 'Token requests of this run' }),
    logins_allowed: Type.Integer({ description: 'Most token requests of one run' }),
    probes: Type.Array(
      Type.Object(
        {
          probe: Type.Unsafe<ProbeName>({ type: 'string', enum: Object.keys(PROBES) }),
          question: Type.String(),
          result: Type.Unsafe<ProbeFindingResult>({
            type: 'string',
            enum: [...PROBE_RESULTS],
            description:
              '`unclear`: an answer of another kind, or none. `not_run`: `detail` says why',
          }),
          detail: Type.String({ description: 'The status, and the name of the error' }),
        },
        { title: 'DPoP probe' },
      ),
    ),
  },
  {
    title: 'DPoP report',
    description: 'It names no integration, org, host, user or client, and has no secret',
  },
)

export function dpopReportView(report: ProbeReport): Static<typeof DpopReport> {
  const { at, grant, posture, newestApiVersion, loginsUsed, findings } = report
  const names = Object.keys(PROBES) as ProbeName[]
  return {
    at: new Date(at).toISOString(),
    ...{ grant, posture },
    newest_api_version: newestApiVersion,
    logins_used: loginsUsed,
    logins_allowed: PROBE_LOGINS_ALLOWED,
    probes: names.map((probe) => ({ probe, question: PROBES[probe], ...findings[probe] })),
  }
}
