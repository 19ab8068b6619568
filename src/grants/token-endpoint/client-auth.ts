import type * as oauth from 'oauth4webapi'
import type { Secret } from '../../crypto/secret.ts'

/** Client authentication at a token endpoint: adds parameters to the form or headers. */
export type ClientAuth = oauth.ClientAuth

export const CLIENT_AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
] as const

export type ClientAuthMethod = (typeof CLIENT_AUTH_METHODS)[number]

/** Adds nothing, not even `client_id`. The assertion of JWT bearer identifies the client, and a revocation needs no client. */
export const noClientAuth: ClientAuth = () => undefined

/** For an app that requires no secret: sends only the client id. */
export const publicClient: ClientAuth = (_server, client, form) => {
  form.set('client_id', client.client_id)
}

/**
 * RFC 6749, section 2.3.1. Escapes only the necessary characters: consumer keys contain `.` and
 * `_`, and servers that do not decode them must receive them unchanged.
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

/** RFC 7523, section 2.2. Each request needs its own assertion. */
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
