// @salesforce/core with the refresh token grant. docs/clients.md explains the settings.
import { createInterface } from 'node:readline'
import { AuthInfo, Connection } from '@salesforce/core'

const {
  VALETKEY_URL,
  VALETKEY_KEY_ID,
  VALETKEY_KEY,
  VALETKEY_INTEGRATION = 'billing',
} = process.env

const authInfo = await AuthInfo.create({
  oauth2Options: {
    loginUrl: `${VALETKEY_URL}/login/${VALETKEY_INTEGRATION}`,
    clientId: VALETKEY_KEY_ID,
    refreshToken: VALETKEY_KEY,
  },
})
const connection = await Connection.create({ authInfo })

async function call() {
  const { records } = await connection.query('SELECT Id FROM Organization')
  console.log(records[0].Id)
}

// Calls Salesforce once, and once more for each line of the input.
await call()
for await (const _line of createInterface({ input: process.stdin })) await call()
