// jsforce with the client credentials grant. docs/clients.md explains the settings.
import { createInterface } from 'node:readline'
import jsforce from 'jsforce'

const {
  VALETKEY_URL,
  VALETKEY_KEY_ID,
  VALETKEY_KEY,
  VALETKEY_INTEGRATION = 'billing',
} = process.env

const login = (connection) => connection.authorize({ grant_type: 'client_credentials' })

const connection = new jsforce.Connection({
  oauth2: {
    loginUrl: `${VALETKEY_URL}/login/${VALETKEY_INTEGRATION}`,
    clientId: VALETKEY_KEY_ID,
    clientSecret: VALETKEY_KEY,
  },
  // With this grant, jsforce does not log in again by itself.
  refreshFn: (again, done) => {
    login(again).then(() => done(null, again.accessToken), done)
  },
})
await login(connection)

async function call() {
  const { records } = await connection.query('SELECT Id FROM Organization')
  console.log(records[0].Id)
}

// Calls Salesforce once, and once more for each line of the input.
await call()
for await (const _line of createInterface({ input: process.stdin })) await call()
