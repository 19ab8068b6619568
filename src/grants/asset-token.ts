/** Asset tokens: the actor token of a token exchange registers a device of an org. */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { exportJWK, SignJWT } from 'jose'
import { type Static, Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { CamelKeys } from '../http/server/casing.ts'
import type { GrantContext, GrantRequest } from './grant.ts'

const Text = Type.String({ minLength: 1, maxLength: 255 })

export const AssetMember = Type.Object(
  {
    device_id: Text,
    name: Text,
    serial_number: Type.Optional(Text),
  },
  {
    additionalProperties: false,
    description:
      "Requests an asset token. The integration's key signs the device's data, and the token contains the key (`cnf`).",
    examples: [{ device_id: 'pump-17', name: 'Pump 17' }],
  },
)

type Asset = CamelKeys<Static<typeof AssetMember>>

const LIFETIME_SECONDS = 150

export async function actorParameters(
  { deviceId, name, serialNumber }: Asset,
  { clientId, loginUrl, credential }: Pick<GrantRequest, 'clientId' | 'loginUrl' | 'credential'>,
  { now, uniqueId }: Pick<GrantContext, 'now' | 'uniqueId'>,
): Promise<Readonly<Record<string, string>>> {
  if (credential.type !== 'certificate') {
    throw new BrokerError('credential_required', 'An asset token needs a signing key.')
  }
  const key = createPrivateKey(credential.privateKey.reveal())
  const claims = {
    did: deviceId,
    Name: name,
    ...(serialNumber !== undefined && { Asset: { SerialNumber: serialNumber } }),
    cnf: { jwk: await exportJWK(createPublicKey(key)) },
  }
  const actorToken = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256' })
    .setIssuer(clientId)
    .setAudience(`${loginUrl}/services/oauth2/token`)
    .setExpirationTime(Math.floor(now() / 1_000) + LIFETIME_SECONDS)
    .setJti(uniqueId())
    .sign(key)
  return {
    actor_token: actorToken,
    actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  }
}
