/** Finds secrets in the query of a URL. Pure. */

/** Parameters of Salesforce's login host that hold a secret. */
const SECRETS = [
  'client_secret',
  'password',
  'refresh_token',
  'assertion',
  'client_assertion',
  'access_token',
  'oauth_token',
  'code',
  'code_verifier',
] as const
const TOKEN = 'token'
/** The beginning of an API key, or of a JWT. */
const LOOKS_SECRET = /^(?:vk_[0-9A-Za-z]{8}_|eyJ[\w-]+\.)/

/** Salesforce clients revoke a token by its URL. An API key is a secret there too. */
const REVOKE = /\/revoke\/?$/

/** The first secret in the query. */
export function secretInQuery(url = ''): string | undefined {
  const start = url.indexOf('?')
  if (start === -1) return undefined
  const mayHaveToken = REVOKE.test(url.slice(0, start))
  for (const [name, value] of new URLSearchParams(url.slice(start + 1))) {
    if (value === '') continue
    if (name === TOKEN && mayHaveToken && !value.startsWith('vk_')) continue
    const isNamed = name === TOKEN || (SECRETS as readonly string[]).includes(name)
    if (isNamed || LOOKS_SECRET.test(value)) return value
  }
  return undefined
}
