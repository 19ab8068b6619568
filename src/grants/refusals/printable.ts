/** Foreign texts as answers and logs repeat them. Pure. */

/** What looks like a token of Salesforce, or a JWT. */
const TOKENS = /eyJ[\w-]{5,}(?:\.[\w-]*)*|00D\w{12,15}![^\s"'<>]*|5Aep861[\w.]*/g

/**
 * Makes a foreign text fit to be shown: no control or invisible characters, nothing that we sent in
 * confidence, nothing that looks like a token. Secrets go first, before cutting could leave half of one.
 */
export function printable(text: string, secrets: readonly string[], longest: number): string {
  const masked = secrets
    .filter((secret) => secret.length > 3)
    .reduce((shown, secret) => shown.replaceAll(secret, '[secret]'), text)
    .replace(TOKENS, '[secret]')
  const cleaned = masked.replace(/[\s\p{C}]+/gu, ' ').trim()
  return [...cleaned].slice(0, longest).join('')
}
