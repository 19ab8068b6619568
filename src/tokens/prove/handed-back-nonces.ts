/** Nonces that callers handed back from Salesforce's answers. Each counts for its caller alone, because a wrong one must harm nobody else. */

/** Whose it is, and where. */
interface NoncePlace {
  readonly principal: string
  readonly integration: string
}

/** Who checks it. */
interface NonceUse extends NoncePlace {
  /** Of the key. */
  readonly thumbprint: string
  readonly host: string
}

interface Handed extends Omit<NonceUse, keyof NoncePlace> {
  readonly nonce: string
  /** What the fleet had then. Another one now is newer. */
  readonly insteadOf: string | undefined
}

/** Beyond it, the oldest are dropped: Salesforce then asks once more. */
const REMEMBERED = 10_000

export function createHandedBackNonces(fleet: {
  of(thumbprint: string, host: string): string | undefined
}) {
  const handed = new Map<string, Handed>()
  const keyOf = ({ principal, integration }: NoncePlace) => `${integration} ${principal}`

  return {
    /** The nonce for the next proof of this caller: the last one that it handed back, unless the fleet has learned another since. */
    of(use: NonceUse): string | undefined {
      const { thumbprint, host } = use
      const known = fleet.of(thumbprint, host)
      const own = handed.size === 0 ? undefined : handed.get(keyOf(use))
      const isNewest =
        own?.thumbprint === thumbprint && own.host === host && own.insteadOf === known
      return isNewest ? own.nonce : known
    },
    /** Whether the caller did not hand it back before. */
    isNews: (place: NoncePlace, nonce: string): boolean =>
      handed.get(keyOf(place))?.nonce !== nonce,
    put(use: NonceUse, nonce: string): void {
      const { thumbprint, host } = use
      const key = keyOf(use)
      handed.delete(key)
      handed.set(key, { nonce, thumbprint, host, insteadOf: fleet.of(thumbprint, host) })
      for (const oldest of handed.keys()) {
        if (handed.size <= REMEMBERED) break
        handed.delete(oldest)
      }
    },
  }
}
