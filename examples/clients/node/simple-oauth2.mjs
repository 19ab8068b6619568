// simple-oauth2 with the client credentials grant. docs/clients.md explains the settings.
import { createInterface } from 'node:readline'
import { ClientCredentials } from 'simple-oauth2'

const {
  VALETKEY_URL,
  VALETKEY_KEY_ID,
  VALETKEY_KEY,
  VALETKEY_INTEGRATION = 'billing',
} = process.env

const client = new ClientCredentials({
  client: { id: VALETKEY_KEY_ID, secret: VALETKEY_KEY },
  auth: { tokenHost: VALETKEY_URL },
})
async function login() {
  try {
    const { token } = await client.getToken({ scope: `integration:${VALETKEY_INTEGRATION}` })
    return token
  } catch (error) {
    // The error has the whole request, with the key. The payload is the answer alone.
    throw new Error(JSON.stringify(error.data?.payload ?? error.message))
  }
}
let token = await login()

function query() {
  const url = new URL(`${token.instance_url}/services/data/v66.0/query`)
  url.searchParams.set('q', 'SELECT Id FROM Organization')
  return fetch(url, { headers: { authorization: `Bearer ${token.access_token}` } })
}

async function call() {
  let response = await query()
  if (response.status === 401) {
    token = await login()
    response = await query()
  }
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  const { records } = await response.json()
  console.log(records[0].Id)
}

// Calls Salesforce once, and once more for each line of the input.
await call()
for await (const _line of createInterface({ input: process.stdin })) await call()
