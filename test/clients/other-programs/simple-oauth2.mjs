// The password grant.
import { ResourceOwnerPassword } from 'simple-oauth2'

const { VALETKEY_URL, VALETKEY_KEY_ID, VALETKEY_KEY, VALETKEY_INTEGRATION } = process.env
const client = new ResourceOwnerPassword({
  client: { id: VALETKEY_KEY_ID, secret: VALETKEY_KEY },
  auth: { tokenHost: VALETKEY_URL },
})
const scope = `integration:${VALETKEY_INTEGRATION}`
try {
  await client.getToken({ scope, username: 'a', password: 'b' })
} catch (error) {
  throw new Error(JSON.stringify(error.data.payload))
}
