import type { Answer } from '../answer.ts'
import type { Client } from '../apps.ts'
import { findClient } from '../client.ts'
import { DECISIONS, decided, userField } from '../consent.ts'
import type { Exchange } from '../exchange.ts'
import { pageAnswer } from '../page.ts'
import { REFUSALS, type RefusalName, Refused } from '../refusals.ts'
import { requestedScopes } from '../scopes.ts'
import type { World } from '../world.ts'

/** `/services/oauth2/authorize`: the consent page and its redirects (protocol, section 3.2). Until the callback URL is verified, errors are shown on a page of Salesforce. */
export function answerAuthorize(exchange: Exchange, world: World): Answer {
  let redirectUri: string
  let client: Client
  try {
    client = findClient(exchange, world, exchange.query.get('client_id') ?? undefined)
    redirectUri = callbackOf(exchange, client)
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    return errorPage(error.refusal)
  }
  try {
    const request = readRequest(exchange, client, world)
    if (exchange.method !== 'POST') return consentPage(exchange, client, request.scopes, world)
    const user = decided(exchange.form, client, world)
    exchange.identify({ userId: user.id, username: user.username })
    const code = world.authorizationCodes.issue({
      ...{ appId: client.app.id, orgId: client.org.id, userId: user.id, redirectUri },
      ...request,
    })
    return sendBack(exchange, redirectUri, { code })
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    const { error: code, errorDescription } = REFUSALS[error.refusal]
    return sendBack(exchange, redirectUri, { error: code, error_description: errorDescription })
  }
}

function callbackOf({ query }: Exchange, { configuration }: Client): string {
  const redirectUri = query.get('redirect_uri')
  if (redirectUri === null) throw new Refused('redirect_uri_missing')
  if (!configuration.callbackUrls.includes(redirectUri)) throw new Refused('redirect_uri_mismatch')
  return redirectUri
}

/** The default method is S256. */
function readRequest({ query }: Exchange, { configuration }: Client, world: World) {
  if (query.get('response_type') !== 'code') throw new Refused('response_type_not_supported')
  const codeChallenge = query.get('code_challenge') ?? undefined
  const method = query.get('code_challenge_method') ?? 'S256'
  if (codeChallenge === undefined && configuration.pkceRequired) {
    throw new Refused('code_challenge_missing')
  }
  if (codeChallenge !== undefined && method !== 'S256') throw new Refused('code_challenge_missing')
  const { supported } = world.settings().dpop
  const dpopJkt = (supported && query.get('dpop_jkt')) || undefined
  if (dpopJkt === undefined && configuration.dpopRequired) throw new Refused('dpop_jkt_missing')
  return {
    codeChallenge,
    dpopJkt,
    scopes: requestedScopes(query.get('scope'), configuration.scopes),
  }
}

function consentPage(
  exchange: Exchange,
  { app, org }: Client,
  scopes: readonly string[],
  world: World,
): Answer {
  return pageAnswer(200, {
    title: `Allow access to ${app.name}?`,
    paragraphs: [`${app.name} is asking for access to ${org.myDomain}:`],
    list: scopes,
    form: {
      action: `${exchange.path}?${exchange.query}`,
      fields: [userField(org, world)],
      decisions: DECISIONS,
    },
  })
}

function sendBack(
  { query }: Exchange,
  redirectUri: string,
  members: Readonly<Record<string, string>>,
): Answer {
  const url = new URL(redirectUri)
  const state = query.get('state')
  for (const [name, value] of Object.entries(members)) url.searchParams.set(name, value)
  if (state !== null) url.searchParams.set('state', state)
  return { status: 302, headers: { location: url.href, 'cache-control': 'no-store' }, body: '' }
}

function errorPage(refusal: RefusalName): Answer {
  const { error, errorDescription } = REFUSALS[refusal]
  return pageAnswer(400, {
    title: 'OAuth Error',
    paragraphs: [
      'We can’t authorize you because of an OAuth error. For more information, contact your Salesforce administrator.',
      `${error} : ${errorDescription}`,
    ],
  })
}
