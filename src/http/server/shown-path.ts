/**
 * Names and paths of a request as answers repeat them. A request may hold anything in any place,
 * and what is not verified is not repeated.
 */

/** No secret and no token is that short, or so plain. */
const PLAIN_NAME = /^[A-Za-z][\w.~-]{0,30}$|^[a-z0-9][a-z0-9-]{0,63}$/
const PATH_LIMIT = 256

export const shownName = (name: string): string => (PLAIN_NAME.test(name) ? name : '*')

/** A path, or a pointer into a document. It begins with one slash, so that it never names a host. */
export const shownPath = (path: string): string =>
  path
    .slice(0, PATH_LIMIT)
    .replace(/\/+/g, '/')
    .split('/')
    .map((part) => part && shownName(part))
    .join('/')
