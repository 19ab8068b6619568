// @jsforce/jsforce-node with proofs, below its own retries.
import { createInterface } from 'node:readline'
import jsforce from '@jsforce/jsforce-node'
import { setDispatcher } from '@jsforce/jsforce-node/lib/request.js'
import { Agent } from 'undici'
import { prove } from './dpop.mjs'
import { dpop } from './dpop-undici.mjs'

setDispatcher(new Agent().compose(dpop))
const { instance_url: instanceUrl } = await prove([])
const connection = new jsforce.Connection({ instanceUrl })

async function call() {
  const { records } = await connection.query('SELECT Id FROM Organization')
  console.log(records[0].Id)
}

// Calls Salesforce once, and once more for each line of the input.
await call()
for await (const _line of createInterface({ input: process.stdin })) await call()
