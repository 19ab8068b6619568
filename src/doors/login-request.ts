/** Reads who logs in, and to which integration, from a token request of a Salesforce client. Pure. */
import { BrokerError } from '../errors/errors.ts'
import type { CallerProof } from '../tokens/oauth/client-identity.ts'
import {
  clientCredentialsOf,
  integrationIn,
  type TokenForm,
} from '../tokens/oauth/oauth-request.ts'

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const CLIENT_ASSERTION = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export const LOGIN_GRANTS = ['client_credentials', 'password', 'refresh_token', JWT_BEARER] as const

export type LoginGrant = (typeof LOGIN_GRANTS)[number]

export const isLoginGrant = (text: string | undefined): text is LoginGrant =>
  (LOGIN_GRANTS as readonly (string | undefined)[]).includes(text)

/** A client, and the integrations that it names beside the URL. */
export interface Login {
  /** Undefined: there is no readable credential. */
  readonly proof: CallerProof | undefined
  /** What is certainly meant as the name of an integration. */
  readonly named: readonly string[]
  /** The integration of a username that looks like one of Salesforce's. It counts if nothing else names one. */
  readonly maybeNamed?: string | undefined
}

/** The length of an API key. */
const KEY_LENGTH = 61
/** Salesforce clients append a security token to the password. */
const SECURITY_TOKEN_MAX = 40
/** The id of a key, or the client id of the admin key. */
const KEY_ID = /^(?:[0-9A-Za-z]{8}|admin)$/
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/

/** Of forms that are the whole login: a client that repeats one has the same form. */
const logins = new WeakMap<TokenForm, { readonly grant: LoginGrant; readonly login: Login }>()

/** Throws `request_invalid` if the client proves itself in more than one way. */
export function readLogin(
  grant: LoginGrant,
  form: TokenForm,
  authorization: string | undefined,
): Login {
  if (authorization !== undefined) return loginIn(grant, form, authorization)
  const known = logins.get(form)
  if (known?.grant === grant) return known.login
  const login = loginIn(grant, form, authorization)
  logins.set(form, { grant, login })
  return login
}

function loginIn(grant: LoginGrant, form: TokenForm, authorization: string | undefined): Login {
  const client = readClient(form, authorization)
  const scoped = integrationIn(form.scope)
  const named = [client.name, scoped].filter((name) => name !== undefined)
  switch (grant) {
    case 'client_credentials':
      return { proof: client.assertion ?? secretOf(client.id, client.secret), named }
    case 'password': {
      const { username = '' } = form
      const [before = '', at] = splitAt(username, '@')
      const name = NAME.test(before) ? before : undefined
      const isCertain = name !== undefined && at === undefined
      return {
        proof: alone(client, withoutSecurityToken(form.password)),
        named: isCertain ? [...named, name] : named,
        ...(!isCertain && { maybeNamed: name }),
      }
    }
    case 'refresh_token':
      return { proof: alone(client, form.refresh_token), named }
    case JWT_BEARER:
      if (client.secret !== undefined || client.assertion) throw twoWays()
      return { proof: jwtOf(form.assertion), named }
  }
}

interface Client {
  /** The id of an API key, or any text. */
  readonly id: string | undefined
  /** From `ID/NAME`. */
  readonly name: string | undefined
  readonly secret: string | undefined
  readonly assertion: CallerProof | undefined
}

/** Whether the request has the id of an API key, or the assertion of a client that needs none. */
export function hasClientId(form: TokenForm, authorization: string | undefined): boolean {
  const { id, assertion } = readClient(form, authorization)
  return assertion !== undefined || (id !== undefined && KEY_ID.test(id))
}

/** The client in the `Authorization` header or in the form. */
function readClient(form: TokenForm, authorization: string | undefined): Client {
  const given = clientCredentialsOf(authorization, form)
  if (authorization !== undefined && !given) return NOBODY
  const [id, name] = splitAt(given?.id ?? form.client_id ?? '', '/')
  const secret = given?.secret ?? form.client_secret
  const isJwt = form.client_assertion_type === CLIENT_ASSERTION
  const assertion = isJwt ? jwtOf(form.client_assertion) : undefined
  if (assertion && secret !== undefined) throw twoWays()
  return {
    id: id === '' ? undefined : id,
    name: name === '' ? undefined : name,
    secret: secret === '' ? undefined : secret,
    assertion,
  }
}

const NOBODY: Client = { id: undefined, name: undefined, secret: undefined, assertion: undefined }

const jwtOf = (assertion: string | undefined): CallerProof | undefined =>
  assertion === undefined ? undefined : { kind: 'jwt', assertion }

/** A client credentials request without an id is not one of a Salesforce client. */
const secretOf = (id: string | undefined, secret: string | undefined): CallerProof | undefined =>
  id === undefined || secret === undefined ? undefined : { kind: 'secret', id, secret }

/** The key in the field of the grant. A client secret beside it must be the same key. */
function alone(
  { id, secret, assertion }: Client,
  key: string | undefined,
): CallerProof | undefined {
  if (assertion) throw twoWays()
  const isSame = secret === undefined || secret === key
  return key === undefined || !isSame ? undefined : { kind: 'secret', id, secret: key }
}

const withoutSecurityToken = (password: string | undefined): string | undefined =>
  password?.startsWith('vk_') && password.length <= KEY_LENGTH + SECURITY_TOKEN_MAX
    ? password.slice(0, KEY_LENGTH)
    : password

/** The text before the first separator, and the text after it if there is one. */
function splitAt(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator)
  return at === -1 ? [text] : [text.slice(0, at), text.slice(at + 1)]
}

const twoWays = () =>
  new BrokerError('request_invalid', 'The client authenticates in more than one way')

/** The integration that a login is for. `only`: the one integration that the client may read, if it is one. Throws `request_invalid` if there is none, or if there are two. */
export function integrationToLogInTo(
  { named, maybeNamed }: Login,
  inUrl: string | undefined,
  only: string | undefined,
): string {
  const [name, other] = new Set(inUrl === undefined ? named : [inUrl, ...named])
  if (other !== undefined) {
    throw new BrokerError('request_invalid', 'The request names two integrations', {
      remedy: 'Name the integration once: in the URL, in the client id or in the username.',
    })
  }
  const found = name ?? maybeNamed ?? only
  if (found !== undefined && NAME.test(found)) return found
  if (found !== undefined) {
    const where = found === inUrl ? 'URL' : 'client id'
    throw new BrokerError('request_invalid', `The ${where} names no integration`, {
      remedy: 'Log in at /login/NAME with the name of an integration.',
    })
  }
  throw new BrokerError('request_invalid', 'The request names no integration', {
    remedy:
      'Log in at /login/NAME, or send the name as the username or after the client id: ID/NAME.',
  })
}
