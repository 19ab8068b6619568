/** How a caller proves who it is. To add a way, write its file and list it in `app.ts`. */
import type { Principal } from './policy.ts'

/** What a request carries. */
export interface Credentials {
  /** The text after `Bearer `. */
  readonly bearer?: string
}

export interface Authenticator {
  /** `undefined`: not this kind. A throw of `caller_unauthenticated`: this kind, and wrong; no other authenticator is asked. */
  authenticate(credentials: Credentials): Principal | undefined | Promise<Principal | undefined>
}
