import type * as oauth from 'oauth4webapi'
import type { Secret } from '../../crypto/secret.ts'

/** How a client proves itself at a token endpoint: a function that adds to the form or the headers. */
export type ClientAuth = oauth.ClientAuth

export const CLIENT_AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
] as const

export type ClientAuthMethod = (typeof CLIENT_AUTH_METHODS)[number]

/** Adds nothing, not even `client_id`: the assertion of JWT bearer says it all, and a revocation needs none. */
export const noClientAuth: ClientAuth = () => undefined

/** An app that asks for no secret: it only says which one it is. */
export const publicClient: ClientAuth = (_server, client, form) => {
  form.set('client_id', client.client_id)
}

/**
 * RFC 6749, section 2.3.1. Escapes only what has to be: consumer keys hold `.` and `_`, and a server
 * that does not decode, as some clients of Salesforce presume, must see them as they are.
 */
export function clientSecretBasic(clientSecret: Secret): ClientAuth {
  return (_server, client, _form, headers) => {
    const pair = [client.client_id, clientSecret.reveal()].map(escaped).join(':')
    headers.set('authorization', `Basic ${Buffer.from(pair).toString('base64')}`)
  }
}

export function clientSecretPost(clientSecret: Secret): ClientAuth {
  return (_server, client, form) => {
    form.set('client_id', client.client_id)
    form.set('client_secret', clientSecret.reveal())
  }
}

/** RFC 7523, section 2.2. The assertion is for one request. */
export function privateKeyJwt(assertion: Secret): ClientAuth {
  return (_server, client, form) => {
    form.set('client_id', client.client_id)
    form.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
    form.set('client_assertion', assertion.reveal())
  }
}

function escaped(text: string): string {
  return encodeURIComponent(text).replaceAll('%20', '+')
}
