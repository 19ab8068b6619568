/** Composes the hand-out of tokens to clients that only log in again, and tells of their loops. */
import type { AuditLog } from '../../audit/log.ts'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import type { EngineMeter } from '../engine-meter.ts'
import type { Broker } from '../serve/broker.ts'
import type { Lease } from '../serve/lease.ts'
import { createDoorHandOut, type DoorHandOut, type FoundLoop } from './hand-out.ts'
import type { TokenLook } from './token-look.ts'

interface DoorHandOutParts {
  readonly engine: { readonly broker: Broker; readonly tokens: TokenLook }
  readonly audit: Pick<AuditLog, 'requireWritable' | 'read' | 'background'>
  /** Counts each token that is handed out. */
  readonly onRead: (principalId: string, lease: Lease, at: number) => void
  readonly meter: Pick<EngineMeter, 'loginLoop'>
  readonly runtime: Pick<Runtime, 'now' | 'monotonic'>
  readonly log: Pick<Log, 'warn'>
}

export function composeDoorHandOut(parts: DoorHandOutParts): DoorHandOut {
  const { engine, audit, onRead, meter, runtime, log } = parts
  const { now, monotonic } = runtime

  const onLoop = ({ asker, lease, isNew }: FoundLoop) => {
    meter.loginLoop()
    if (!isNew) return
    const { integration, tokenId } = lease
    const { principal, id: requestId, ip: address } = asker
    log.warn(
      { integration, principal: principal.id, tokenId },
      'a client logs in again and again with a token that lives',
    )
    audit.background(
      { principal: principal.id, requestId },
      {
        ...{ action: 'login.looped', integration, outcome: 'denied', tokenId },
        detail: { reason: 'token_still_live', address },
      },
    )
  }
  return createDoorHandOut({ ...engine, audit, onRead, onLoop, now, monotonic })
}
