/** Removes texts that look like secrets from log lines. Applies in addition to the allow-lists. */

export const MASK = '[redacted]'

/** Members that are never logged. Ids and times of tokens and keys are allowed. */
const SENSITIVE_NAME =
  /authorization|cookie|secret|passw|passphrase|assertion|private|keyring|headers?$|query|body|args|(?:token|key|credential|code_verifier|signature)s?$/i

/** Each match stays inside a JSON string: it contains no quote and no partial escape. */
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

/** Removes the query of a URL. */
export function shownText(name: string, text: string): string {
  return URL_NAME.test(name) ? text.replace(/[?#].*$/s, '') : text
}

/** The result is still a line of JSON. */
export function redact(line: string): string {
  return PATTERNS.reduce((text, [pattern, mask]) => text.replace(pattern, mask), line)
}
