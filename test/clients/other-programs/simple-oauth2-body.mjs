// The parameters as JSON.
import { ClientCredentials } from 'simple-oauth2'

const { VALETKEY_URL, VALETKEY_KEY_ID, VALETKEY_KEY, VALETKEY_INTEGRATION } = process.env
const client = new ClientCredentials({
  client: { id: VALETKEY_KEY_ID, secret: VALETKEY_KEY },
  auth: { tokenHost: VALETKEY_URL },
  options: { bodyFormat: 'json' },
})
try {
  await client.getToken({ scope: `integration:${VALETKEY_INTEGRATION}` })
} catch (error) {
  throw new Error(JSON.stringify(error.data.payload))
}
