// The code of a web server flow.
import { AuthInfo } from '@salesforce/core'

const { VALETKEY_URL, VALETKEY_KEY_ID, VALETKEY_KEY, VALETKEY_INTEGRATION } = process.env
await AuthInfo.create({
  oauth2Options: {
    loginUrl: `${VALETKEY_URL}/login/${VALETKEY_INTEGRATION}`,
    clientId: VALETKEY_KEY_ID,
    clientSecret: VALETKEY_KEY,
    authCode: 'a-code',
  },
})
