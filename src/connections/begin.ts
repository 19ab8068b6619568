/** Begins the flow that an operator chose, with the client of the integration. */
import { BrokerError } from '../errors/errors.ts'
import type { Integration } from '../integrations/integration.ts'
import type { ClientOf } from './client.ts'
import type { Connection, Flow } from './connection.ts'
import type { DpopKeyFor } from './connection-keys.ts'
import type { DeviceFlow } from './device-flow.ts'
import type { Beginning, WebServerFlow } from './web-server-flow.ts'

/** `shown`: the answer to the operator, with the data for the person at Salesforce. */
export type BeginConnection = (
  flow: Flow,
  begun: Omit<Beginning, 'clientId' | 'dpopKey' | 'replaces'>,
) => Promise<{ readonly connection: Connection; readonly shown: object }>

const DEVICE_WARNING =
  'Since 30 November 2026 Salesforce allows the device flow only to External Client Apps of the org itself (local ones) that have a callback URL on localhost, and it refuses apps that are not installed. Prefer the flow authorization_code.'

export function createBeginConnection(dependencies: {
  /** Absent: `VALETKEY_PUBLIC_URL` is not set. */
  readonly webServerFlow: Pick<WebServerFlow, 'begin'> | undefined
  readonly deviceFlow: Pick<DeviceFlow, 'begin'>
  readonly clientOf: ClientOf
  readonly dpopKeyFor: DpopKeyFor
  /** The family of refresh tokens of the integration. Null: none. */
  readonly familyOf: (integration: Integration) => Promise<string | null>
}): BeginConnection {
  const { webServerFlow, deviceFlow, clientOf, dpopKeyFor, familyOf } = dependencies
  return async (flow, begun) => {
    const { integration } = begun
    const { clientId } = await clientOf(integration)
    const beginning = {
      ...{ ...begun, clientId },
      dpopKey: await dpopKeyFor(integration),
      replaces: await familyOf(integration),
    }
    if (flow === 'device') {
      const { connection, userCode, verificationUri } = await deviceFlow.begin(beginning)
      return {
        connection,
        shown: { user_code: userCode, verification_uri: verificationUri, warning: DEVICE_WARNING },
      }
    }
    if (!webServerFlow) {
      throw new BrokerError(
        'request_invalid',
        'body/flow authorization_code needs the setting VALETKEY_PUBLIC_URL, which this service lacks: Salesforce has to send the browser back to it',
      )
    }
    const { connection, authorizationUrl } = await webServerFlow.begin(beginning)
    return { connection, shown: { authorization_url: authorizationUrl } }
  }
}
