/** Exchanges the token of another integration. If it is refused, retries once with a new token. */
import { BrokerError } from '../../errors/errors.ts'
import type { SubjectToken, SubjectTokens } from '../grant.ts'
import { refusalOf, refusalRow } from '../refusals/refusals.ts'
import type { TokenAnswer } from './token-answer.ts'

/** OAuth errors that refuse the token and not the client. */
const TOKEN_REFUSED = new Set(['invalid_grant', 'invalid_request', 'invalid_token'])

interface Source {
  readonly integration: string
  /** Where the token is sent: see {@link SubjectTokens}. */
  readonly at: string | undefined
  readonly subjectTokens: Pick<SubjectTokens, 'of'>
  readonly signal: AbortSignal
}

export async function exchanged(
  source: Source,
  exchange: (subject: SubjectToken) => Promise<TokenAnswer>,
): Promise<TokenAnswer> {
  const { integration, at, subjectTokens, signal } = source
  const subject = await subjectTokens.of(integration, { at, signal })
  try {
    return await exchange(subject)
  } catch (error) {
    if (!mayBeDead(error)) throw error
    return exchange(await another(source, subject, error))
  }
}

function mayBeDead(error: unknown): boolean {
  const refusal = refusalOf(error)
  if (refusal?.class !== 'permanent' || refusalRow(refusal.reason).signature) return false
  return TOKEN_REFUSED.has(refusal.error.toLowerCase())
}

/** Throws the first refusal if there is no other token, because the refusal then had another cause. */
async function another(
  { integration, at, subjectTokens, signal }: Source,
  { tokenId }: SubjectToken,
  refusal: unknown,
): Promise<SubjectToken> {
  try {
    const found = await subjectTokens.of(integration, { rejected: tokenId, at, signal })
    if (found.tokenId !== tokenId) return found
  } catch (error) {
    if (!(error instanceof BrokerError) || error.code !== 'token_still_live') throw error
  }
  throw refusal
}
