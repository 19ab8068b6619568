/** Makes texts of other systems safe for answers and logs. */

/** Matches tokens of Salesforce and JWTs. */
const TOKENS = /eyJ[\w-]{5,}(?:\.[\w-]*)*|00D\w{12,15}![^\s"'<>]*|5Aep861[\w.]*/g

/**
 * Removes control characters, invisible characters, secrets that were sent, and texts that look
 * like tokens. Removes secrets before it shortens the text, so that no part of a secret remains.
 */
export function printable(text: string, secrets: readonly string[], longest: number): string {
  const masked = secrets
    .filter((secret) => secret.length > 3)
    .reduce((shown, secret) => shown.replaceAll(secret, '[secret]'), text)
    .replace(TOKENS, '[secret]')
  const cleaned = masked.replace(/[\s\p{C}]+/gu, ' ').trim()
  return [...cleaned].slice(0, longest).join('')
}
