import { authorizationCode } from './authorization-code.ts'
import { clientCredentials } from './client-credentials.ts'
import { device } from './device.ts'
import type { Grant } from './grant.ts'
import { jwtBearer } from './jwt-bearer.ts'
import { refreshToken } from './refresh-token.ts'
import { tokenExchange } from './token-exchange.ts'

/** All grants of the simulator. To add one, write its file and list it here. */
export const GRANTS: readonly Grant[] = [
  jwtBearer,
  clientCredentials,
  refreshToken,
  authorizationCode,
  device,
  tokenExchange,
]
