/** An integration whose credential is rotated, seen from both sides: the broker's API, and the app at Salesforce. */
import type { AppSeed, NewAppSeed, Simulator } from '../../simulator/handle.ts'
import type { Answer, Call, CallOptions } from './caller.ts'
import { newSigningKey, type SigningKey } from './signing-key.ts'

export interface Rotatable {
  readonly name: string
  readonly app: AppSeed
  /** Of the integration, and of its credentials. */
  readonly path: string
  readonly credentials: string
  /** The id of the credential that it was made with. */
  readonly firstId: string
  /** The certificate, or the secret, of that credential. */
  readonly first: string
  /** A key that the broker makes; gives the credential. */
  stage(body?: object): Promise<Staged>
  activate(id: string, options?: CallOptions): Promise<Answer>
  /** `id` and `state`, in the order of the API. */
  states(): Promise<readonly (readonly [string, string])[]>
  read(): Promise<Answer>
  token(query?: string): Promise<Answer>
  /** The operator replaces the certificate of the app. */
  upload(certificatePem: string): void
}

export interface Staged {
  readonly id: string
  /** What the operator takes to Salesforce. */
  readonly certificate: string
  readonly answer: Answer
}

export interface World {
  readonly simulator: Simulator
  readonly call: Call
}

interface Options {
  /** Default: made anew. */
  readonly key?: SigningKey
  /** More members of the integration. */
  readonly members?: Readonly<Record<string, unknown>>
  readonly app?: NewAppSeed
}

/** Signs with a key, by the JWT bearer grant. */
export async function makeSigning(
  world: World,
  name: string,
  { key, members = {}, app: seed = {} }: Options = {},
): Promise<Rotatable> {
  const { privateKey, certificate } = key ?? (await newSigningKey(name))
  const app = world.simulator.addJwtApp({ ...seed, certificatePem: certificate })
  const { clientId, username, loginUrl } = app
  return make(world, name, app, certificate, {
    login_url: loginUrl,
    grant: { type: 'jwt_bearer', client_id: clientId, username },
    credential: { private_key: privateKey, certificate },
    ...members,
  })
}

/** Proves itself with a client secret. */
export async function makeSecretive(
  world: World,
  name: string,
  { members = {}, app: seed = {} }: Options = {},
): Promise<Rotatable> {
  const app = world.simulator.addClientCredentialsApp(seed)
  return make(world, name, app, app.clientSecret, {
    login_url: app.loginUrl,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
    ...members,
  })
}

async function make(
  { call, simulator }: World,
  name: string,
  app: AppSeed,
  first: string,
  body: Readonly<Record<string, unknown>>,
): Promise<Rotatable> {
  const path = `/integrations/${name}`
  const credentials = `${path}/credentials`
  await expect(201, call('PUT', path, { body }))
  const states = async () => {
    const { items } = (await expect(200, call('GET', credentials))).body
    return items.map(({ id, state }: { id: string; state: string }) => [id, state] as const)
  }
  const [[firstId] = ['none']] = await states()
  return {
    ...{ name, app, path, credentials, firstId, first, states },
    async stage(of = { generate: {} }) {
      const answer = await expect(201, call('POST', credentials, { body: of }))
      const { id, certificate } = answer.body
      return { id, certificate: certificate?.pem ?? '', answer }
    },
    activate: (id, options = {}) => call('POST', `${credentials}/${id}/activate`, options),
    read: () => call('GET', path),
    token: (query = '') => call('GET', `/tokens/${name}${query}`),
    upload: (certificatePem) => simulator.updateApp(app.clientId, { certificatePem }),
  }
}

export async function expect(status: number, asked: Promise<Answer>): Promise<Answer> {
  const answer = await asked
  if (answer.status !== status) {
    throw new Error(`${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`)
  }
  return answer
}

/** Why a state of credentials is not a legal one; empty: it is. */
export function illegalIn(states: readonly string[]): readonly string[] {
  const count = (state: string) => states.filter((one) => one === state).length
  return [
    ...(count('active') === 1 ? [] : [`${count('active')} active`]),
    ...(count('staged') <= 1 ? [] : [`${count('staged')} staged`]),
    ...(count('retired') <= 1 ? [] : [`${count('retired')} retired`]),
  ]
}
