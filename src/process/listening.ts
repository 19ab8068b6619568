/** Begins to listen, and says why an address is not available. */
import { ConfigError } from '../config/config-error.ts'

interface Address {
  readonly host: string
  readonly port: number
}

/** Throws `ConfigError` with the remedy, after `stop`. */
export async function listen(
  variable: string,
  address: Address,
  begin: (address: Address) => Promise<unknown>,
  stop?: () => Promise<void>,
): Promise<void> {
  try {
    await begin(address)
  } catch (error) {
    await stop?.()
    const { code } = error as NodeJS.ErrnoException
    const { host, port } = address
    throw new ConfigError([
      `${variable}: cannot listen on ${host}:${port} (${code ?? 'unknown'})${cureOf(code, variable)}`,
    ])
  }
}

/** The remedy for an address that is not available. */
function cureOf(code: string | undefined, variable: string): string {
  switch (code) {
    case 'EADDRINUSE':
      return `: another process uses this port; stop it, or set ${variable} to a free port`
    case 'EACCES':
      return `: this user may not use this port; set ${variable} to 1024 or more`
    case 'EADDRNOTAVAIL':
      return ': this machine does not have this address; correct VALETKEY_HOST'
    case 'ENOTFOUND':
      return ': the name does not resolve; correct VALETKEY_HOST'
    default:
      return ''
  }
}
