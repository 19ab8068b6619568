// The password grant.
import * as client from 'openid-client'

const { VALETKEY_URL, VALETKEY_KEY_ID, VALETKEY_KEY, VALETKEY_INTEGRATION } = process.env
const server = { issuer: VALETKEY_URL, token_endpoint: `${VALETKEY_URL}/oauth/token` }
const configuration = new client.Configuration(server, VALETKEY_KEY_ID, VALETKEY_KEY)
const scope = `integration:${VALETKEY_INTEGRATION}`
await client.genericGrantRequest(configuration, 'password', { scope, username: 'a', password: 'b' })
