// The code of a web server flow.
import jsforce from 'jsforce'

const { VALETKEY_URL, VALETKEY_KEY_ID, VALETKEY_KEY, VALETKEY_INTEGRATION } = process.env
const connection = new jsforce.Connection({
  oauth2: {
    loginUrl: `${VALETKEY_URL}/login/${VALETKEY_INTEGRATION}`,
    clientId: VALETKEY_KEY_ID,
    clientSecret: VALETKEY_KEY,
    redirectUri: 'https://localhost',
  },
})
await connection.authorize('a-code')
