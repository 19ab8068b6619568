// A version that is none.
import jsforce from 'jsforce'

const { VALETKEY_URL, VALETKEY_KEY, VALETKEY_INTEGRATION } = process.env
const connection = new jsforce.Connection({
  loginUrl: `${VALETKEY_URL}/login/${VALETKEY_INTEGRATION}`,
  version: 'latest',
})
await connection.login(VALETKEY_INTEGRATION, VALETKEY_KEY)
