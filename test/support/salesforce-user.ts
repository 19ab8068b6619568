/** A person at Salesforce's pages, without a browser: sends the forms that the pages show. */

export interface Decision {
  readonly decision?: 'allow' | 'deny'
  readonly username?: string
}

const USERNAME = 'billing@acme.com'

/** Decides on the consent page; gives the URL that the browser is sent back to. Throws where Salesforce shows an error instead. */
export async function decide(
  authorizationUrl: string,
  { decision = 'allow', username = USERNAME }: Decision = {},
): Promise<URL> {
  const shown = await fetch(authorizationUrl, { redirect: 'manual' })
  if (shown.status === 302) return new URL(shown.headers.get('location') ?? '')
  const page = await shown.text()
  if (shown.status !== 200) throw new Error(page)
  const answer = await send(new URL(actionOf(page), authorizationUrl), { decision, username })
  return new URL(answer.headers.get('location') ?? '')
}

/** Enters a device's code on the page for it, and decides; gives the page's text. */
export async function enterCode(
  verificationUri: string,
  userCode: string,
  { decision = 'allow', username = USERNAME }: Decision = {},
): Promise<string> {
  const url = new URL(verificationUri)
  const asked = await send(url, { user_code: userCode, decision: 'next' })
  if (asked.status !== 200) return asked.text()
  const answer = await send(url, { user_code: userCode, decision, username })
  return answer.text()
}

const send = (url: URL, form: Readonly<Record<string, string>>) =>
  fetch(url, { method: 'POST', body: new URLSearchParams(form), redirect: 'manual' })

function actionOf(page: string): string {
  const action = /<form method="post" action="([^"]*)"/.exec(page)?.[1]
  if (action === undefined) throw new Error(`There is no form on the page: ${page}`)
  return action.replaceAll('&amp;', '&')
}
