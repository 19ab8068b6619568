// A call of the SOAP API at the login URL.
import jsforce from 'jsforce'

const { VALETKEY_URL, VALETKEY_INTEGRATION } = process.env
const connection = new jsforce.Connection({
  instanceUrl: `${VALETKEY_URL}/login/${VALETKEY_INTEGRATION}`,
  accessToken: 'a-token',
})
await connection.soap.getUserInfo()
