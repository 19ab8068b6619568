// undici with proofs, below its own retries.
import { createInterface } from 'node:readline'
import { Agent, interceptors, request } from 'undici'
import { prove } from './dpop.mjs'
import { dpop } from './dpop-undici.mjs'

const { instance_url } = await prove([])
const dispatcher = new Agent().compose(dpop, interceptors.retry())

async function call() {
  const { statusCode, body } = await request(`${instance_url}/services/data/v66.0/query`, {
    dispatcher,
    query: { q: 'SELECT Id FROM Organization' },
  })
  if (statusCode !== 200) throw new Error(`Salesforce: ${statusCode}`)
  console.log((await body.json()).records[0].Id)
}

// Calls Salesforce once, and once more for each line of the input.
await call()
for await (const _line of createInterface({ input: process.stdin })) await call()
