/** The target by which a request is routed. Pure. */

const GATEWAY = '/gateway/'
const NAMED = /^\/gateway\/[^/?#]+/
const DOOR = /^\/+(?:login|services|id|\.well-known)\//

/** A gateway appends the path and the query of its client to the target of its sub-request, of any length and form, so they are cut off before. Salesforce clients double slashes, and some add one at the end. */
export function routedTarget(target: string): string {
  if (target.startsWith(GATEWAY)) return NAMED.exec(target)?.[0] ?? target
  return DOOR.test(target) ? withPlainSlashes(target) : target
}

function withPlainSlashes(target: string): string {
  const end = target.indexOf('?')
  const path = end === -1 ? target : target.slice(0, end)
  const plain = path.replace(/\/{2,}/g, '/').replace(/\/$/, '')
  return end === -1 ? plain : plain + target.slice(end)
}
