/** Asset tokens: the actor token of a token exchange registers a device of an org. */
import { exportJWK } from 'jose'
import { type Static, Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { CamelKeys } from '../http/server/casing.ts'
import { publicKeyOf, signJwt } from './assertion.ts'
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
  { signers, now, uniqueId }: Pick<GrantContext, 'signers' | 'now' | 'uniqueId'>,
): Promise<Readonly<Record<string, string>>> {
  if (credential.type !== 'certificate') {
    throw new BrokerError('credential_required', 'An asset token needs a signing key.')
  }
  const { privateKey } = credential
  const claims = {
    did: deviceId,
    Name: name,
    ...(serialNumber !== undefined && { Asset: { SerialNumber: serialNumber } }),
    cnf: { jwk: await exportJWK(publicKeyOf(privateKey)) },
    iss: clientId,
    aud: `${loginUrl}/services/oauth2/token`,
    exp: Math.floor(now() / 1_000) + LIFETIME_SECONDS,
    jti: uniqueId(),
  }
  const actorToken = await signJwt(claims, privateKey, signers)
  return {
    actor_token: actorToken,
    actor_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  }
}
