// jsforce with SOAP login. docs/soap-login.md explains the settings.
import { createInterface } from 'node:readline'
import jsforce from 'jsforce'

const { VALETKEY_URL, VALETKEY_KEY, VALETKEY_INTEGRATION = 'billing' } = process.env

const connection = new jsforce.Connection({
  loginUrl: `${VALETKEY_URL}/login/${VALETKEY_INTEGRATION}`,
})
await connection.login(VALETKEY_INTEGRATION, VALETKEY_KEY)

async function call() {
  const { records } = await connection.query('SELECT Id FROM Organization')
  console.log(records[0].Id)
}

// Calls Salesforce once, and once more for each line of the input.
await call()
for await (const _line of createInterface({ input: process.stdin })) await call()
