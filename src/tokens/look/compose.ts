/** Composes the hand-out of tokens to clients that only log in again, and tells of their loops. */
import type { AuditLog } from '../../audit/log.ts'
import type { Core } from '../../store/core.ts'
import type { StoreEvents } from '../../store/store-events.ts'
import type { EngineMeter } from '../engine-meter.ts'
import type { Broker } from '../serve/broker.ts'
import { createGivenAnnouncer } from './given-announcer.ts'
import { createGivenTokens, type GivenTokens } from './given-tokens.ts'
import { createDoorHandOut, type DoorHandOut, type FoundLoop } from './hand-out.ts'
import type { TokenLook } from './token-look.ts'

interface DoorHandOutParts {
  readonly engine: { readonly broker: Broker; readonly tokens: TokenLook }
  readonly audit: Pick<AuditLog, 'requireWritable' | 'read' | 'background'>
  /** Counts each token that is handed out. */
  readonly onRead: Parameters<typeof createDoorHandOut>[0]['onRead']
  readonly meter: Pick<EngineMeter, 'loginLoop'>
  readonly core: Core<StoreEvents>
  /** Whether other replicas may serve the same callers. */
  readonly isFleet: boolean
}

export interface Doorkeeping extends Pick<GivenTokens, 'givenTo'> {
  readonly handOut: DoorHandOut
}

export function composeDoorHandOut(parts: DoorHandOutParts): Doorkeeping {
  const { engine, audit, onRead, meter, core, isFleet } = parts
  const { events, runtime, log, store } = core
  const announce = createGivenAnnouncer({ changes: store.changes, runtime, log })
  const given = createGivenTokens(isFleet ? announce : () => undefined)
  events.on('store.changed', given.heard)

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
  const handOut = createDoorHandOut({ ...engine, given, audit, onRead, onLoop, runtime })
  return { handOut, givenTo: given.givenTo }
}
