/** Finds out what the org of an integration does with DPoP. Experimental: no Salesforce org has confirmed it. */
import { BrokerError } from '../../errors/errors.ts'
import type { GrantContext } from '../../grants/grant.ts'
import { membersOf } from '../../grants/org-api/org-api.ts'
import type { Salesforce } from '../../grants/salesforce.ts'
import { jsonOf } from '../../grants/token-endpoint/answer-form.ts'
import { checkDefinition } from '../../integrations/definition-rules.ts'
import { presentsRefreshToken } from '../../integrations/integration.ts'
import { within } from '../../runtime/timeout.ts'
import type { DoctorMint } from '../../tokens/mint/doctor-mint.ts'
import type { SigningClient } from '../../tokens/mint/mint.ts'
import { probeHeldToken } from './held-probes.ts'
import { createProbeClient, type ProbeClient } from './probe-client.ts'
import {
  finding,
  NEVER_RUN,
  notRun,
  type Posture,
  PROBES,
  type ProbeFinding,
  type ProbeName,
} from './probes.ts'
import { createTokenAsker } from './token-asker.ts'
import { type KeptNonce, probeTokens } from './token-probes.ts'

export interface ProbeReport {
  /** Epoch milliseconds. */
  readonly at: number
  /** The type of the grant. */
  readonly grant: string
  readonly posture: Posture
  /** For example `67.0`. Null: it is unknown. */
  readonly newestApiVersion: string | null
  readonly loginsUsed: number
  readonly findings: Readonly<Record<ProbeName, ProbeFinding>>
}

export type DpopProber = ReturnType<typeof createDpopProber>

interface DpopProberDependencies {
  readonly mint: Pick<DoctorMint, 'charge' | 'client' | 'held'>
  readonly grants: GrantContext
  readonly salesforce: Pick<Salesforce, 'outbound' | 'hosts' | 'clock' | 'nonces'>
}

/** All of a run. What is not asked by then is not run. */
const RUN_MS = 25_000
/** How long the nonce of a run is kept for the next one. */
const NONCE_KEPT_MS = 25 * 3_600_000
const NONCES_KEPT = 100
/** Most token requests. Each is a login. */
export const PROBE_LOGINS_ALLOWED = 8

export function createDpopProber(dependencies: DpopProberDependencies) {
  const { mint, grants, salesforce } = dependencies
  const { outbound, hosts, clock, nonces } = salesforce
  const underWay = new Map<string, Promise<ProbeReport>>()
  /** By the uid of the integration. */
  const kept = new Map<string, KeptNonce>()

  const keptFor = ({ uid }: SigningClient['integration']) => {
    const known = kept.get(uid)
    const isRecent = known !== undefined && known.at > grants.now() - NONCE_KEPT_MS
    return {
      before: isRecent ? known : undefined,
      keep(one: KeptNonce) {
        kept.delete(uid)
        kept.set(uid, one)
        for (const oldest of kept.keys()) {
          if (kept.size <= NONCES_KEPT) break
          kept.delete(oldest)
        }
      },
      now: grants.now,
    }
  }

  const examine = async (asked: SigningClient): Promise<ProbeReport> => {
    const { integration, signer } = asked
    const { grant, loginUrl } = integration
    const at = grants.now()
    let loginsUsed = 0
    const charge = async () => {
      if (loginsUsed >= PROBE_LOGINS_ALLOWED) throw tooManyLogins()
      await mint.charge(integration)
      loginsUsed += 1
    }
    const findings = new Map<ProbeName, ProbeFinding>()
    let posture: Posture = 'unknown'
    let newestApiVersion: string | null = null
    const isRefreshed = presentsRefreshToken(integration)
    const lease = isRefreshed ? await mint.held(integration.name) : undefined
    const ownKey = isRefreshed ? lease?.dpop?.key : signer.dpopKey
    await within(
      RUN_MS,
      async (signal) => {
        const nowAt = (host: string) => grants.now() + clock.aheadMs(host)
        // A newer nonce may end the one that the fleet has for the key of the integration.
        const onNonce = (thumbprint: string, host: string, nonce: string) => {
          if (thumbprint === ownKey?.thumbprint) nonces.learn({ thumbprint, host, nonce })
        }
        const { uniqueId, signers } = grants
        const client = createProbeClient({ outbound, nowAt, uniqueId, signers, onNonce, signal })
        const run = async (
          probe: ProbeName,
          work: () => Promise<ProbeFinding>,
        ): Promise<ProbeFinding> => {
          const found = signal.aborted ? notRun('the time was over') : await settled(work)
          findings.set(probe, found)
          return found
        }
        newestApiVersion = await newestVersionAt(loginUrl, client)
        const asker = createTokenAsker({ asked, client, grants, hosts, clock, charge, signal })
        if (isRefreshed) {
          await probeHeldToken(lease, integration, asker, client, run)
          return
        }
        posture = await probeTokens(asked, asker, client, run, keptFor(integration))
      },
      { late: () => undefined },
    )
    return {
      ...{ at, grant: grant.type, posture, newestApiVersion, loginsUsed },
      findings: complete(findings),
    }
  }

  return {
    /** Takes at most 26 seconds, and joins a run that is under way. Throws what a mint throws before its request, `request_invalid` where DPoP is not possible, and `login_budget_exhausted`. */
    async probe(name: string): Promise<ProbeReport> {
      const asked = await mint.client(name)
      const { integration } = asked
      checkDefinition({ ...integration, dpop: { mode: 'on', keyStorage: 'broker' } }, integration)
      const key = `${integration.uid}:${integration.version}`
      const running = underWay.get(key)
      if (running) return running
      const started = examine(asked).finally(() => underWay.delete(key))
      underWay.set(key, started)
      return started
    },
  }
}

/** A failure of one probe ends no other one. */
async function settled(work: () => Promise<ProbeFinding>): Promise<ProbeFinding> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof BrokerError) return finding('unclear', error.code)
    throw error
  }
}

/** Every probe, in its order. */
function complete(findings: ReadonlyMap<ProbeName, ProbeFinding>): ProbeReport['findings'] {
  const names = Object.keys(PROBES) as ProbeName[]
  const found = (name: ProbeName) =>
    findings.get(name) ?? notRun(NEVER_RUN[name] ?? 'the time was over')
  return Object.fromEntries(names.map((name) => [name, found(name)])) as ProbeReport['findings']
}

const VERSION = /^\d{2,3}\.0$/

/** Public: it tells the release of the org. */
async function newestVersionAt(loginUrl: string, client: ProbeClient): Promise<string | null> {
  const headers = { accept: 'application/json', 'user-agent': 'valetkey' }
  const outcome = await client.plain({ url: `${loginUrl}/services/data`, headers })
  const list = outcome.ok && outcome.status === 200 ? jsonOf(outcome) : undefined
  const last = Array.isArray(list) ? membersOf(list.at(-1)).version : undefined
  return typeof last === 'string' && VERSION.test(last) ? last : null
}

const tooManyLogins = () =>
  new BrokerError('login_budget_exhausted', `A run makes at most ${PROBE_LOGINS_ALLOWED} logins.`)
