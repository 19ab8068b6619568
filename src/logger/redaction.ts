/** The second line of defence: what looks like a secret is cut out, whatever let it come this far. */

export const MASK = '[redacted]'

/** Members that are not logged, whatever they hold. Ids and times of tokens and keys are harmless. */
const SENSITIVE_NAME =
  /authorization|cookie|secret|passw|passphrase|assertion|private|keyring|headers?$|query|body|args|(?:token|key|credential|code_verifier|signature)s?$/i

/** Each stays inside a JSON string: no match holds a quote, or half of an escape. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]+-----(?:[^"\\]|\\.)*/g, MASK],
  [/\b00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?![\w.-]+/g, MASK],
  [/\beyJ[\w-]{8,}(?:\.[\w-]*){2,4}/g, MASK],
  [/\bvk_[0-9A-Za-z]{8}_[0-9A-Za-z]{20,}/g, MASK],
  [/\b(Bearer|Basic) (?=[^\s"]*\d)[\w+/=.~-]{8,}/gi, `$1 ${MASK}`],
  [/:\/\/[^\s"\\/@]{1,500}@/g, `://${MASK}@`],
  [
    /\b((?:client_|code_|refresh_|access_|id_)?(?:secret|token|assertion|verifier)|client_assertion|rejected|password|code)=[^&\s"\\]+/gi,
    `$1=${MASK}`,
  ],
]

const URL_NAME = /ur[il]$/i

export const isSensitiveName = (name: string): boolean => SENSITIVE_NAME.test(name)

/** Text of a member, by its name: a URL ends before its query. */
export function shownText(name: string, text: string): string {
  return URL_NAME.test(name) ? text.replace(/[?#].*$/s, '') : text
}

/** Of a line of JSON, and it stays one. */
export function redact(line: string): string {
  return PATTERNS.reduce((text, [pattern, mask]) => text.replace(pattern, mask), line)
}
