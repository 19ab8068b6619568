/** A credential as the grants for refresh tokens expect it. */
import type { Secret } from '../crypto/secret.ts'
import type { OpenCredential } from './grant.ts'

/** The client authentication and the refresh token, in the form of the grant. */
export function withRefreshToken(proof: OpenCredential, refreshToken: Secret): OpenCredential {
  switch (proof.type) {
    case 'certificate':
      return { type: 'refresh_token', refreshToken, privateKey: proof.privateKey }
    case 'client_secret':
      return { type: 'refresh_token', refreshToken, clientSecret: proof.clientSecret }
    case 'refresh_token':
      return { ...proof, refreshToken }
    case 'none':
      return { type: 'refresh_token', refreshToken }
  }
}
