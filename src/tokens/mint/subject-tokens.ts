/** Gets tokens to exchange: the token of another integration, or one in a file. */
import { readFile } from 'node:fs/promises'
import { Secret } from '../../crypto/secret.ts'
import { isBound, tokenBound } from '../../dpop/binding.ts'
import { BrokerError, isStoreTrouble } from '../../errors/errors.ts'
import type { SubjectTokens } from '../../grants/grant.ts'
import { refusedAtSource } from '../../grants/refusals/refusals.ts'
import { requireExchange } from '../../integrations/references/token-source.ts'
import { waitFor } from '../../runtime/timeout.ts'
import type { InsideLease } from '../serve/inside-lease.ts'

/** Longer than Salesforce accepts. Limits memory for endless files. */
const LONGEST_FILE = 65_536
const VISIBLE_ASCII = /^[!-~]+$/

/** `leaseOf` mints where there is no valid lease. */
export const createSubjectTokens = (leaseOf: InsideLease): SubjectTokens => ({
  async of(integration, { rejected, at, signal }) {
    try {
      const lease = leaseOf(integration, rejected, (source) => requireExchange(source, at))
      const found = await waitFor(lease, { signal, late })
      if (isBound(found)) throw tokenBound(integration)
      return found
    } catch (error) {
      if (!(error instanceof BrokerError) || isStoreTrouble(error)) throw error
      throw error.code === 'token_still_live' ? error : refusedAtSource(error, integration)
    }
  },
  in: tokenInFile,
})

/** Throws `credential_invalid`. The problem names the file but not its content. */
export async function tokenInFile(file: string): Promise<Secret> {
  const text = await contentOf(file)
  if (text.length <= LONGEST_FILE && VISIBLE_ASCII.test(text)) return new Secret(text)
  throw new BrokerError('credential_invalid', `${file} holds no token`)
}

async function contentOf(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new BrokerError('credential_invalid', `${file} cannot be read (${code})`, { cause })
  }
}

/** The mint continues for the next request. The limit also ends a wait of two integrations for each other. */
function late(): never {
  throw new BrokerError('salesforce_timeout', 'The token did not arrive in time', {
    retryAfterMs: 1_000,
  })
}
