/** Collects the secrets of a request, which no answer of this service may repeat. */

const SECRET_MEMBERS = [
  'actor_token',
  'assertion',
  'client_assertion',
  'client_secret',
  'code',
  'code_verifier',
  'refresh_token',
  'subject_token',
  'token',
]

/** Returns each secret in every form in which it was sent. */
export function secretsOf(form: URLSearchParams, authorization: string | undefined): string[] {
  const pair = authorization?.replace(/^Basic /, '')
  const basic = pair === undefined ? '' : Buffer.from(pair, 'base64').toString('utf8')
  const secret = basic.slice(basic.indexOf(':') + 1)
  return [
    ...SECRET_MEMBERS.flatMap((member) => form.getAll(member)),
    ...(pair === undefined ? [] : [pair, secret, unescaped(secret)]),
  ]
}

/** Form decoding (RFC 6749, appendix B). */
function unescaped(text: string): string {
  return new URLSearchParams(`text=${text}`).get('text') ?? text
}
