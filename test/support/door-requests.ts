/** One request for a token at each door, as a client of that door sends it. */

export interface DoorRequest {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

const FORM = 'application/x-www-form-urlencoded'

export const DOORS = [
  'tokens',
  'gateway',
  'oauth',
  'login',
  'password',
  'refresh',
  'root',
  'soap',
] as const

export type Door = (typeof DOORS)[number]

/** `key`: an API key that reads tokens of the integration. */
export function doorRequests(name: string, key: string): Readonly<Record<Door, DoorRequest>> {
  const id = /^vk_([^_]+)_/.exec(key)?.[1] ?? ''
  const bearer = { authorization: `Bearer ${key}` }
  const post = (path: string, form: Readonly<Record<string, string>>): DoorRequest => ({
    ...{ method: 'POST', path, headers: { 'content-type': FORM } },
    body: new URLSearchParams(form).toString(),
  })
  const client = { grant_type: 'client_credentials', client_id: id, client_secret: key }
  const login = `/login/${name}/services/oauth2/token`
  return {
    tokens: { method: 'GET', path: `/tokens/${name}`, headers: bearer },
    gateway: {
      ...{ method: 'GET', path: `/gateway/${name}` },
      headers: {
        ...bearer,
        'x-valetkey-refuse': '403',
        'x-original-method': 'GET',
        'x-original-uri': '/services/data/v66.0/query?q=SELECT+Id+FROM+Account',
      },
    },
    oauth: post('/oauth/token', { ...client, scope: `integration:${name}` }),
    login: post(login, client),
    password: post(login, {
      ...{ grant_type: 'password', client_id: id, client_secret: key },
      ...{ username: `${name}@acme.example`, password: key },
    }),
    refresh: post(login, { grant_type: 'refresh_token', client_id: id, refresh_token: key }),
    soap: {
      ...{ method: 'POST', path: `/login/${name}/services/Soap/u/60.0` },
      headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: '""' },
      body: `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><login xmlns="urn:partner.soap.sforce.com"><username>${name}@acme.example</username><password>${key}</password></login></soapenv:Body></soapenv:Envelope>`,
    },
    root: post('/services/oauth2/token', { ...client, client_id: `${id}/${name}` }),
  }
}
