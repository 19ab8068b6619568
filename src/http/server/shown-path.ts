/** Names and paths of a request in answers. Unverified text may contain secrets, so it is not repeated. */

/** No secret or token is this short and plain. */
const PLAIN_NAME = /^[A-Za-z][\w.~-]{0,30}$|^[a-z0-9][a-z0-9-]{0,63}$/
const PATH_LIMIT = 256

export const shownName = (name: string): string => (PLAIN_NAME.test(name) ? name : '*')

/** A path or a JSON pointer. Starts with one slash, so that it never names a host. */
export const shownPath = (path: string): string =>
  path
    .slice(0, PATH_LIMIT)
    .replace(/\/+/g, '/')
    .split('/')
    .map((part) => part && shownName(part))
    .join('/')
