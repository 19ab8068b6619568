/** The target by which a request is routed. A gateway appends the path and the query of its client to the target of its sub-request, of any length and form, so they are cut off before. Pure. */

const PREFIX = '/gateway/'
const NAMED = /^\/gateway\/[^/?#]+/

export const routedTarget = (target: string): string =>
  target.startsWith(PREFIX) ? (NAMED.exec(target)?.[0] ?? target) : target
