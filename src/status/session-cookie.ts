/** The cookie of a session. Over TLS it has the prefix `__Host-`, so that no other host can take its place. */

const NAME = 'valetkey-status'
const SECURE_NAME = `__Host-${NAME}`

/** The session in the header `Cookie`. Undefined: there is none. */
export function sessionIn(header: string | undefined): string | undefined {
  const cookies = new Map(
    (header ?? '').split(';').map((pair): [string, string] => {
      const [name = '', ...value] = pair.trim().split('=')
      return [name, value.join('=')]
    }),
  )
  return cookies.get(SECURE_NAME) ?? cookies.get(NAME)
}

/** The header `Set-Cookie`. `isSecure`: the browser uses TLS. */
export function sessionCookie(session: string, isSecure: boolean, seconds: number): string {
  const name = isSecure ? SECURE_NAME : NAME
  const flags = `Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict${isSecure ? '; Secure' : ''}`
  return `${name}=${session}; ${flags}`
}

/** Headers `Set-Cookie` that erase each session that the browser sends. Over TLS it also sends one that began without. */
export const erasedCookies = (isSecure: boolean): string[] =>
  [...new Set([isSecure, false])].map((secure) => sessionCookie('', secure, 0))
