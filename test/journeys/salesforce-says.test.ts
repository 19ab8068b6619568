/** `/problems/salesforce`: everything that Salesforce is known to say can be looked up. */
import t from 'tap'
import { REFUSALS as SPOKEN } from '../../simulator/refusals.ts'
import { REST_REFUSALS as REST_SPOKEN } from '../../simulator/rest-refusals.ts'
import { classify } from '../../src/grants/refusals/refusals.ts'
import { startBroker } from '../support/broker.ts'

const { call, url } = await startBroker(t, { loginHosts: [] })

/** Codes of Salesforce's own error pages and callbacks (Help, OAuth 2.0 Authorization Errors, and reports). */
const PAGE_CODES = [
  ...['OAUTH_EC_APP_NOT_FOUND', 'OAUTH_APPROVAL_ERROR_GENERIC', 'OAUTH_AUTHORIZATION_BLOCKED'],
  ...['OAUTH_APP_BLOCKED', 'OAUTH_APP_ACCESS_DENIED', 'redirect_uri_mismatch', 'access_denied'],
  ...['redirect_uri_missing', 'immediate_unsuccessful', 'unsupported_response_type'],
  ...['invalid_scope', 'invalid_client_id', 'inactive_user', 'inactive_org'],
  'rate_limit_exceeded',
]

interface Entry {
  readonly codes: readonly string[]
  readonly texts: readonly string[]
  readonly statuses: readonly number[]
  readonly explanations: readonly { cause: string; remedy: string; setup_path: string | null }[]
}

t.test('every code and text has cause, remedy and the place in Setup', async (t) => {
  const { status, body } = await call('GET', '/problems/salesforce', { key: null })
  t.equal(status, 200)
  const entries: readonly Entry[] = body.items
  for (const { explanations } of entries) {
    t.ok(explanations.length > 0)
    for (const { cause, remedy } of explanations) t.ok(cause.length > 10 && remedy.length > 10)
  }
  const knows = (code: string, text = '') =>
    entries.some(
      ({ codes, texts }) =>
        codes.includes(code) || texts.some((part) => text.toLowerCase().includes(part)),
    )
  for (const code of PAGE_CODES) t.ok(knows(code), code)
  for (const { error, errorDescription } of Object.values(SPOKEN)) {
    // Made up by the simulator: no source shows how Salesforce says it.
    if (classify({ error, errorDescription }).reason === 'unrecognised') continue
    t.ok(knows(error, errorDescription), errorDescription)
  }
  for (const { errorCode, status } of Object.values(REST_SPOKEN)) {
    t.ok(knows(errorCode) || entries.some(({ statuses }) => statuses.includes(status)), errorCode)
  }
})

t.test('people get a page, in HTML or Markdown, and nobody needs a key', async (t) => {
  const page = async (accept: string) => {
    const response = await fetch(`${url}/problems/salesforce`, { headers: { accept } })
    return { status: response.status, headers: response.headers, text: await response.text() }
  }
  const html = await page('text/html')
  t.match(html.headers.get('content-security-policy'), /default-src 'none'/)
  for (const code of PAGE_CODES) t.ok(html.text.includes(code), code)
  t.match(html.text, /id="oauth-app_not_found"/)
  t.match((await page('text/markdown')).text, /`OAUTH_EC_APP_NOT_FOUND`/)
  t.equal((await page('image/png')).status, 406)
  t.match((await fetch(`${url}/`, { headers: { accept: 'text/html' } })).status, 200)
  const links = await (await fetch(`${url}/problems`, { headers: { accept: 'text/html' } })).text()
  t.match(links, 'href="/problems/salesforce"')
})
