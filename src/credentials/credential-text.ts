/** Rules for secrets that are a text. */
import { BrokerError } from '../errors/errors.ts'
import { isPlaceholder, unquoted } from '../http/placeholder.ts'

const CLIENT_SECRET = /^[\x21-\x7e]{1,512}$/
const REFRESH_TOKEN = /^[\x21-\x7e]{1,4096}$/

/** Throws `credential_invalid`. */
export const checkClientSecret = (text: string | undefined): void =>
  checkText('client_secret', text, CLIENT_SECRET, 512)

/** Throws `credential_invalid`. */
export const checkRefreshToken = (text: string | undefined): void =>
  checkText('refresh_token', text, REFRESH_TOKEN, 4096)

function checkText(
  member: string,
  text: string | undefined,
  pattern: RegExp,
  longest: number,
): void {
  if (text === undefined) return
  if (isPlaceholder(text)) {
    throw new BrokerError(
      'credential_invalid',
      `${member}: it is a placeholder, like undefined, null or THE_CONSUMER_SECRET, and no value`,
      { remedy: `Send the ${member} itself; look whether the variable that holds it is set.` },
    )
  }
  if (unquoted(text) !== undefined) {
    throw new BrokerError('credential_invalid', `${member}: it is in quotation marks`, {
      remedy: `Send the ${member} without the quotation marks around it.`,
    })
  }
  if (pattern.test(text)) return
  throw new BrokerError(
    'credential_invalid',
    `${member}: it must be 1 to ${longest} visible ASCII characters without spaces`,
  )
}
