/** What a client of `POST /oauth/token` asks for (RFC 6749, sections 2.3.1 and 4.4.2). Pure. */
import { BrokerError } from '../../errors/errors.ts'

/** The parameters that have a value; one without is as good as absent. */
type TokenForm = Readonly<Record<string, string>>

export interface ClientCredentials {
  readonly id: string
  readonly secret: string
}

/** Of one integration; its name is the first group. */
export const SCOPE = /^integration:([a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?)$/

/** Reads an `application/x-www-form-urlencoded` body. Throws `request_invalid` for a parameter that is there twice. */
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

/** From the header or from the body, and never from both. `undefined`: there are none that can be read. */
export function clientCredentialsOf(
  authorization: string | undefined,
  { client_id: id, client_secret: secret }: TokenForm,
): ClientCredentials | undefined {
  if (authorization === undefined) {
    return id === undefined || secret === undefined ? undefined : { id, secret }
  }
  // Another scheme is no way to authenticate here, whatever stands in the body (RFC 6749, section 5.2).
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

/** RFC 6749 encodes both parts as in a form, before they become Basic credentials. */
function formDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return undefined
  }
}

/** The integration that a scope names: exactly one. */
export const integrationIn = (scope: string | undefined): string | undefined =>
  SCOPE.exec(scope ?? '')?.[1]
