/** Hands out tokens to clients that cannot say that a token was rejected: such a client only logs in again. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Socket } from 'node:net'
import type { AuditLog } from '../../audit/log.ts'
import type { Principal } from '../../callers/policy.ts'
import { isBound, tokenBound } from '../../dpop/binding.ts'
import { BrokerError } from '../../errors/errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import type { LookVerdict } from '../../store/records.ts'
import type { Broker, Served } from '../serve/broker.ts'
import type { Lease } from '../serve/lease.ts'
import type { GivenTokens } from './given-tokens.ts'
import { createLoginLoops, type LoginLoop } from './login-loops.ts'
import { longestOf } from './longest.ts'
import type { TokenLook } from './token-look.ts'

/** A request of an authenticated caller. */
interface DoorAsker {
  readonly id: string
  readonly ip: string
  readonly principal: Principal
  readonly raw: { readonly socket: Socket; readonly headers: IncomingHttpHeaders }
}

/** A client that logs in again and again with a token that lives. */
export interface FoundLoop {
  readonly asker: DoorAsker
  readonly lease: Lease
  /** False: it was told before. */
  readonly isNew: boolean
}

interface DoorHandOutDependencies {
  readonly broker: Pick<Broker, 'lease' | 'requireStill'>
  readonly tokens: Pick<TokenLook, 'look'>
  readonly given: Pick<GivenTokens, 'note'>
  readonly audit: Pick<AuditLog, 'requireWritable' | 'read'>
  /** Counts each token that is handed out. */
  readonly onRead: (principalId: string, lease: Lease, at: number, asker: DoorAsker) => void
  readonly onLoop: (found: FoundLoop) => void
  readonly runtime: Pick<Runtime, 'now' | 'monotonic'>
}

interface Demand {
  /** The id of a token that Salesforce answered with 401. */
  readonly rejected?: string | undefined
  /** Throws if the client cannot use this lease, before it counts as handed out. */
  readonly check?: ((lease: Lease) => void) | undefined
}

export type DoorHandOut = ReturnType<typeof createDoorHandOut>

export function createDoorHandOut(dependencies: DoorHandOutDependencies) {
  const { broker, tokens, given, audit, onRead, onLoop, runtime } = dependencies
  const { now, monotonic } = runtime
  const loops = createLoginLoops(monotonic)

  /** Throws `token_bound`: these clients send no proofs. */
  const noted = ({ principal, ip: address }: DoorAsker, lease: Lease): boolean => {
    if (isBound(lease)) throw tokenBound(lease.integration)
    const at = now()
    const until = Math.min(lease.expiresAt, at + longestOf(principal) * 1000)
    return given.note(principal.id, lease, { now: at, until, address })
  }

  const refuse = (asker: DoorAsker, lease: Lease, loop: LoginLoop): never => {
    const { principal, ip: address } = asker
    const client = { principalId: principal.id, address, tokenId: lease.tokenId }
    const isNew = loops.refused(client, loop)
    onLoop({ asker, lease, isNew })
    throw loginLoop(loop.restMs)
  }

  const judge = (
    asker: DoorAsker,
    lease: Lease,
    verdict: LookVerdict,
    loop: LoginLoop | undefined,
  ): Lease | Promise<Lease> => {
    if (verdict === 'live' && loop) return refuse(asker, lease, loop)
    return verdict === 'dead' ? another(asker, lease) : lease
  }

  /** One mint, however many find it dead. */
  const another = async (asker: DoorAsker, { integration, tokenId }: Lease): Promise<Lease> => {
    const wanted = { requestId: asker.id, rejected: tokenId }
    const { lease } = await broker.lease(integration, asker.principal, wanted)
    noted(asker, lease)
    return lease
  }

  /** Nobody is suspected for a token that is new. */
  const fitting = (asker: DoorAsker, { lease, via }: Served): Lease | Promise<Lease> => {
    const { principal, ip: address, raw } = asker
    const isBack = noted(asker, lease)
    const client = { principalId: principal.id, address, tokenId: lease.tokenId }
    const loop = loops.note(client, raw.socket)
    if (!isBack || via !== 'hit') return lease
    const verdict = tokens.look(lease, loop?.since)
    return verdict instanceof Promise
      ? verdict.then((found) => judge(asker, lease, found, loop))
      : judge(asker, lease, verdict, loop)
  }

  const replacing = async (asker: DoorAsker, name: string, rejected: string): Promise<Lease> => {
    const { id: requestId, principal } = asker
    const other = await broker.lease(name, principal, { requestId, rejected })
    // It may be an older replacement, which ends soon.
    const isOlder = other.via === 'hit'
    const { lease } = isOlder
      ? await broker.lease(name, principal, { requestId, isLasting: true })
      : other
    noted(asker, lease)
    return lease
  }

  const find = (
    asker: DoorAsker,
    name: string,
    rejected: string | undefined,
  ): Lease | Promise<Lease> => {
    const { id: requestId, principal } = asker
    if (rejected !== undefined) return replacing(asker, name, rejected)
    const served = broker.lease(name, principal, { requestId, isLasting: true })
    return served instanceof Promise
      ? served.then((it) => fitting(asker, it))
      : fitting(asker, served)
  }

  /**
   * Gives the answer that `write` makes of a lease that lasts, after the audit has it. A hit comes
   * without a promise. `again` authenticates the caller anew; called if the caller waited.
   * Throws and rejects as `broker.lease`, `again` and `check` do, with `token_still_live` for a
   * client in a loop, and with `token_bound`.
   */
  return <Written>(
    asker: DoorAsker,
    name: string,
    again: () => Principal | Promise<Principal>,
    write: (lease: Lease, at: number) => Written,
    { rejected, check }: Demand = {},
  ): Written | Promise<Written> => {
    const answer = (lease: Lease): Written | Promise<Written> => {
      check?.(lease)
      const text = () => {
        const at = now()
        onRead(asker.principal.id, lease, at, asker)
        return write(lease, at)
      }
      const audited = audit.read(asker, lease.integration, lease.tokenId)
      return audited ? audited.then(text) : text()
    }
    audit.requireWritable()
    const found = find(asker, name, rejected)
    // Not async: promises would slow a hit.
    if (!(found instanceof Promise)) return answer(found)
    return found.then(async (lease) => {
      broker.requireStill(name, await again())
      return answer(lease)
    })
  }
}

const loginLoop = (retryAfterMs: number): BrokerError =>
  new BrokerError(
    'token_still_live',
    'The client logs in again and again, but its token is alive: the 401 has another cause. Sessions may be locked to the IP address that they come from (Setup → Session Settings), calls may go to another host than instance_url, the app may lack the scope api, or its IP policy or API Access Control forbid the call; SOAP below API version 68.0 takes no JWT as token.',
    { retryAfterMs },
  )
