/** A response for oauth4webapi of members that were read already: text would be written and read again for it. */
import type { JsonObject } from './salesforce-answer.ts'

const JSON_TYPE = { headers: { 'content-type': 'application/json' } }

/** Its body is empty: `json` gives the members themselves. */
export function responseOf(members: JsonObject): Response {
  return Object.assign(new Response(null, JSON_TYPE), { json: async () => members })
}
