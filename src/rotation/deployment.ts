/** The deployment of a credential to Salesforce, and its progress. A certificate is uploaded, and a secret is staged there. Pure. */
import { Type } from 'typebox'
import { Absent } from '../callers/permission-resolver.ts'
import type { Credential } from '../credentials/credential.ts'
import { BrokerError } from '../errors/errors.ts'
import type { ProblemCode } from '../errors/problems.ts'
import type { CertificateDeployment, Integration } from '../integrations/integration.ts'
import { documentKind } from '../store/documents.ts'
import { type BodyOf, nameIn, nullable } from '../store/record-body.ts'

export const PHASES = {
  requested: 'It will be uploaded, or its pair of key and secret staged',
  uploaded: 'Salesforce has the archive, and has not begun',
  deploying: 'Salesforce is deploying it',
  staging: 'Salesforce makes a pair of key and secret beside the one in use',
  deployed: 'The app has it; it is proven again and again while that spreads',
  proven: 'Salesforce took it in a real mint',
  activated:
    'It is the active credential; of a secret, the former pair ends at Salesforce after the quiet time',
  retired: 'Of a secret: the former pair has ended at Salesforce',
  failed: 'Given up; the former credential works as before',
} as const

export type Phase = keyof typeof PHASES

/** Why it failed: the code of a problem, or one of these. */
export const FAILURES = {
  token_refused: 'Salesforce does not take the token of the integration that it goes through',
  request_refused:
    'Salesforce does not take the request; most often the user may not modify metadata, or not view client secrets',
  deployment_failed: 'Salesforce took the archive, and could not deploy it',
  permission_lost: 'Whoever asked for it may not any more, and nothing had been uploaded by then',
  app_differs:
    'No External Client App of this API name has the consumer key that is in use as its main one',
  slot_taken:
    'Another pair of key and secret stands beside the main one, which only its owner can end: Setup → External Client App Manager',
  pair_gone:
    'The pair that was staged is not at Salesforce any more; delete the credential, and stage another',
  taken_back: 'Another credential is the active one by now; its pair stays as it is at Salesforce',
} as const

export type Failure = keyof typeof FAILURES | ProblemCode

/** Location of the pair of key and secret, for a client secret. */
const PairPlace = Type.Object({
  /** Null: not looked up yet. */
  place: nullable(Type.Object({ app: Type.String(), consumer: Type.String() })),
  /** Salesforce's id of the pair beside the main one. Null: not known yet. */
  stagedId: nullable(Type.String()),
})

export type PairPlace = BodyOf<typeof PairPlace>

export interface DeploymentSubject {
  readonly integration: Integration
  readonly credential: Credential
  readonly target: CertificateDeployment
}

export const Deployment = Type.Object({
  /** Uid of the integration. */
  uid: Type.String(),
  credential: Type.String(),
  phase: nameIn(PHASES),
  /** The phase in which it failed. */
  failedIn: nullable(nameIn(PHASES)),
  /** Reason of the failure, or of the last failed try. */
  reason: nullable(Type.Unsafe<Failure>(Type.String())),
  detail: nullable(Type.String()),
  /** Salesforce's id of the deployment. */
  deployId: nullable(Type.String()),
  /** ETag of the integration at the proof. Only this version is activated. */
  provenAs: nullable(Type.String()),
  requestedAt: Type.Number(),
  /** Start of the current phase. */
  phaseAt: Type.Number(),
  updatedAt: Type.Number(),
  /** Failed tries in this phase. */
  tries: Type.Number(),
  /** Earliest time of the next work. Only one replica works until then. */
  nextAt: Type.Number(),
  by: Type.Object({
    principal: nullable(Type.String()),
    requestId: nullable(Type.String()),
  }),
  /** The principal that asked, whose permission is checked before the upload. Absent: the service itself, or an older record. */
  asker: Type.Optional(Absent),
  /** Absent: the credential is a certificate. */
  pair: Type.Optional(PairPlace),
})

export type Deployment = BodyOf<typeof Deployment>

/** The newest deployment, by name of the integration. */
export const DEPLOYMENTS = documentKind({ kind: 'deployment', schema: Deployment })

export const isDeploymentOver = ({ phase, pair }: Pick<Deployment, 'phase' | 'pair'>): boolean =>
  phase === 'failed' || phase === 'retired' || (phase === 'activated' && !pair)

/** The pair with which the next deployment begins. A deployment that failed before the secret was in use left its pair. */
export const pairAfter = (former: Deployment | undefined): PairPlace =>
  former?.pair && former.phase === 'failed' && former.failedIn !== 'activated'
    ? former.pair
    : { place: null, stagedId: null }

export function newDeployment(
  of: Pick<Deployment, 'uid' | 'credential' | 'by' | 'asker' | 'pair'>,
  now: number,
): Deployment {
  return {
    ...of,
    phase: 'requested',
    failedIn: null,
    reason: null,
    detail: null,
    deployId: null,
    provenAs: null,
    requestedAt: now,
    phaseAt: now,
    updatedAt: now,
    tries: 0,
    nextAt: now,
  }
}

export const moved = (deployment: Deployment, phase: Phase, now: number): Deployment => ({
  ...deployment,
  phase,
  reason: null,
  detail: null,
  tries: 0,
  phaseAt: now,
  updatedAt: now,
  nextAt: now,
})

export const deploymentFailed = (
  deployment: Deployment,
  reason: Failure,
  detail: string,
  now: number,
): Deployment => ({
  ...moved(deployment, 'failed', now),
  failedIn: deployment.phase,
  reason,
  detail,
})

/** Stays in the phase until this time, for this reason. */
export const waiting = (
  deployment: Deployment,
  why: Pick<Deployment, 'reason' | 'detail'>,
  until: number,
): Deployment => ({ ...deployment, ...why, tries: deployment.tries + 1, nextAt: until })

const PROBLEMS_THAT_PASS: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'salesforce_unavailable',
  'salesforce_timeout',
  'token_response_invalid',
  'store_unavailable',
  'store_reset',
  'refresh_token_doubted',
  'audit_unavailable',
  'login_budget_exhausted',
  'conflict',
  'internal',
])
/** The integration was changed, or a mint promoted the credential. */
const PROVEN_IN_VAIN: ReadonlySet<ProblemCode> = new Set<ProblemCode>([
  'integration_changed',
  'credential_state',
])
/** How long a phase may fail: for a queue or a maintenance at Salesforce, or for propagation. */
const RETRY_FOR_MS = 3_600_000
const SPREADING_MS = 1_800_000
const RETRY_MS = { least: 1_000, most: 60_000 }
/** Pause of a deployment of a frozen integration. */
const FROZEN_MS = 30_000
/** Each proof costs logins of the integration. Mints of callers also prove the credential. */
const PROOF_MS = { first: 30_000, later: 60_000, count: 20 }

/** The state after an error: another try later, or the end. A proof of a former version is repeated. */
export function afterError(deployment: Deployment, error: unknown, now: number): Deployment {
  const known =
    error instanceof BrokerError
      ? error
      : new BrokerError('internal', 'An unexpected error; the log has the cause', { cause: error })
  // It goes on when the freeze is lifted, with the whole time of its phase.
  if (known.code === 'integration_frozen') {
    const { code: reason, detail } = known
    return { ...deployment, reason, detail, phaseAt: now, updatedAt: now, nextAt: now + FROZEN_MS }
  }
  const retryForMs = deployment.phase === 'deployed' ? SPREADING_MS : RETRY_FOR_MS
  if (deployment.phase === 'proven' && PROVEN_IN_VAIN.has(known.code)) {
    return moved(deployment, 'deployed', now)
  }
  const isLate = now - deployment.phaseAt > retryForMs
  if (isGivenUp(deployment, known, isLate)) {
    return deploymentFailed(deployment, known.code, known.detail, now)
  }
  const tries = deployment.tries + 1
  const restMs = Math.max(restOf(deployment, known, tries), known.retryAfterMs ?? 0)
  return {
    ...deployment,
    reason: known.code,
    detail: known.detail,
    tries,
    updatedAt: now,
    nextAt: now + Math.min(restMs, retryForMs),
  }
}

/** The former pair of a secret must end at some time. So the deployment only gives up if there is nothing left to end. */
const isGivenUp = (deployment: Deployment, error: BrokerError, isLate: boolean): boolean =>
  deployment.phase === 'activated'
    ? error.code === 'credential_not_found'
    : isLate || !mayPass(deployment, error)

/** A refusal during propagation is temporary. A permanent refusal is not. */
function mayPass({ phase }: Deployment, error: BrokerError): boolean {
  if (phase === 'deployed' && error.code === 'credential_rejected') return true
  return (
    PROBLEMS_THAT_PASS.has(error.code) || (error.code === 'grant_refused' && error.status === 503)
  )
}

function restOf({ phase }: Deployment, error: BrokerError, tries: number): number {
  if (phase === 'deployed' && error.code === 'credential_rejected') {
    return tries <= PROOF_MS.count ? PROOF_MS.first : PROOF_MS.later
  }
  return Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** (tries - 1))
}
