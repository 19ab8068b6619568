// openid-client with the client credentials grant. docs/clients.md explains the settings.
import { createInterface } from 'node:readline'
import * as client from 'openid-client'

const {
  VALETKEY_URL,
  VALETKEY_KEY_ID,
  VALETKEY_KEY,
  VALETKEY_INTEGRATION = 'billing',
} = process.env

const server = { issuer: VALETKEY_URL, token_endpoint: `${VALETKEY_URL}/oauth/token` }
const configuration = new client.Configuration(server, VALETKEY_KEY_ID, VALETKEY_KEY)
const login = () =>
  client.clientCredentialsGrant(configuration, { scope: `integration:${VALETKEY_INTEGRATION}` })
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
