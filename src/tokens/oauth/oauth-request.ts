/** Parses requests to `POST /oauth/token` (RFC 6749, sections 2.3.1 and 4.4.2). Pure. */
import { BrokerError } from '../../errors/errors.ts'

/** Parameters with a value. An empty parameter counts as absent. */
export type TokenForm = Readonly<Record<string, string>>

interface ClientCredentials {
  readonly id: string
  readonly secret: string
}

/** The scope of one integration. Its name is the first group. */
export const SCOPE = /^integration:([a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?)$/

/** Reads an `application/x-www-form-urlencoded` body. Throws `request_invalid` for a repeated parameter. */
export function parseForm(text: string): TokenForm {
  const form: Record<string, string> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    if (form[name] !== undefined) {
      throw new BrokerError('request_invalid', 'A parameter is present more than once')
    }
    form[name] = value
  }
  for (const [name, value] of Object.entries(form)) if (value === '') delete form[name]
  return form
}

/** Credentials in the header or in the body, but not in both. Undefined: there are no readable credentials. */
export function clientCredentialsOf(
  authorization: string | undefined,
  { client_id: id, client_secret: secret }: TokenForm,
): ClientCredentials | undefined {
  if (authorization === undefined) {
    return id === undefined || secret === undefined ? undefined : { id, secret }
  }
  // With another scheme, the request is not authenticated, whatever the body contains (RFC 6749,
  // section 5.2).
  if (!/^Basic /i.test(authorization)) return undefined
  const client = basicCredentials(authorization)
  if (secret !== undefined || (client && id !== undefined && id !== client.id)) {
    throw new BrokerError('request_invalid', 'The client authenticates in more than one way')
  }
  return client
}

function basicCredentials(authorization: string): ClientCredentials | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization)?.[1]
  if (encoded === undefined) return undefined
  const text = Buffer.from(encoded, 'base64').toString()
  const colon = text.indexOf(':')
  if (colon === -1) return undefined
  const id = formDecoded(text.slice(0, colon))
  const secret = formDecoded(text.slice(colon + 1))
  return id === undefined || secret === undefined ? undefined : { id, secret }
}

/** RFC 6749 form-encodes both parts before Basic encoding. */
function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** The one integration that a scope names. */
export const integrationIn = (scope: string | undefined): string | undefined =>
  SCOPE.exec(scope ?? '')?.[1]
