// fetch with proofs.
import { createInterface } from 'node:readline'
import { dpopFetch, prove } from './dpop.mjs'

const { instance_url } = await prove([])
const soql = encodeURIComponent('SELECT Id FROM Organization')

async function call() {
  const answer = await dpopFetch(`${instance_url}/services/data/v66.0/query?q=${soql}`)
  if (!answer.ok) throw new Error(`Salesforce: ${answer.status}`)
  console.log((await answer.json()).records[0].Id)
}

// Calls Salesforce once, and once more for each line of the input.
await call()
for await (const _line of createInterface({ input: process.stdin })) await call()
