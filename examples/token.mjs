// Calls Salesforce with a token of Valetkey. Node 20 or later, nothing to install.
// usage: VALETKEY_URL=http://127.0.0.1:8080 VALETKEY_KEY=… node token.mjs [integration]
const { VALETKEY_URL, VALETKEY_KEY } = process.env
const [integration = 'billing'] = process.argv.slice(2)

async function getJson(url, bearer) {
  const response = await fetch(url, {
    headers: { authorization: `Bearer ${bearer}` },
    signal: AbortSignal.timeout(12_000),
  })
  // An error of Valetkey is a problem document: its `code` says what happened.
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`)
  return response.json()
}

const token = await getJson(`${VALETKEY_URL}/tokens/${integration}`, VALETKEY_KEY)
const resources = await getJson(`${token.instance_url}/services/data/v66.0/`, token.access_token)
console.log(resources.sobjects)
