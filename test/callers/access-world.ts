/** A broker whose callers lack one thing each, and integrations that they may do everything else to. */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { stringify } from 'yaml'
import { startSimulator } from '../../simulator/simulator.ts'
import { PERMISSIONS, type Permission } from '../../src/callers/policy.ts'
import { startBroker } from '../support/broker.ts'
import type { Answer, CallOptions } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'
import { startIssuer } from '../support/issuer.ts'
import { newSigningKey } from '../support/signing-key.ts'

/** What a caller lacks: a permission for all that is called `mine-…` or `theirs-…`, for integrations of any other name, or for those that are not labelled so. */
export type Lack = 'mine' | 'theirs' | 'others' | 'unless-before' | 'unless-after'

const REACH: Readonly<Record<Lack, object>> = {
  mine: { integrations: ['theirs-*'] },
  theirs: { integrations: ['mine-*'] },
  others: { integrations: ['mine-*', 'theirs-*'] },
  'unless-before': { integrations: ['*'], labels: { side: 'before' } },
  'unless-after': { integrations: ['*'], labels: { side: 'after' } },
}

export type Whose = 'mine' | 'theirs'

export const BEFORE = { side: 'before' }
export const AFTER = { side: 'after' }
export const ANY = { 'if-match': '*' }

const subjectOf = (permission: Permission, lack: Lack) => `${permission.replace(':', '-')}.${lack}`

/** Proofs are for requests that an entry lists, and a list limits tokens, too. */
function entriesOf(
  name: string,
  match: object,
  permissions: readonly Permission[],
  reach: object,
): readonly object[] {
  const others = permissions.filter((one) => one !== 'tokens:prove')
  const proof = { permissions: ['tokens:prove'], requests: ['* /*'] }
  return [
    ...(others.length > 0 ? [{ name, match, permissions: others, ...reach }] : []),
    ...(others.length < permissions.length
      ? [{ name: `${name}-proof`, match, ...proof, ...reach }]
      : []),
  ]
}

export async function accessWorld(t: Pick<Test, 'teardown'>) {
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const idp = await startIssuer()
  t.teardown(() => idp.stop())
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-config-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'valetkey.yaml')
  const lacking = PERMISSIONS.flatMap((permission) =>
    (Object.keys(REACH) as Lack[]).flatMap((lack) => {
      const match = { issuer: idp.issuer, subject: subjectOf(permission, lack) }
      const name = match.subject.replace('.', '-')
      const others = PERMISSIONS.filter((one) => one !== permission)
      return [
        ...entriesOf(name, match, others, { integrations: ['*'] }),
        ...entriesOf(`${name}-part`, match, [permission], REACH[lack]),
      ]
    }),
  )
  const everybody = { issuer: idp.issuer, subject: 'full' }
  const full = entriesOf('full', everybody, PERMISSIONS, { integrations: ['*'] })
  const issuers = [{ issuer: idp.issuer, audience: 'valetkey' }]
  await writeFile(path, stringify({ issuers, callers: [...full, ...lacking] }))
  const broker = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain, simulator.origins.sandbox],
    env: { VALETKEY_CONFIG: path },
  })
  const { call } = broker
  const fullKey = await idp.sign({ sub: 'full' })
  await eventually(async () => (await call('GET', '/whoami', { key: fullKey })).status === 200)

  const signing = await newSigningKey()
  const expect = async (status: number, asked: Promise<Answer>): Promise<Answer> => {
    const answer = await asked
    if (answer.status === status) return answer
    throw new Error(`${answer.status} instead of ${status}: ${JSON.stringify(answer.body)}`)
  }
  const newName = (whose: Whose) => `${whose}-${randomUUID().slice(0, 8)}`

  /** Signs with a key. */
  const signingBody = (members: object = {}) => {
    const app = simulator.addJwtApp({ certificatePem: signing.certificate })
    return {
      login_url: app.loginUrl,
      grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
      credential: { private_key: signing.privateKey, certificate: signing.certificate },
      ...members,
    }
  }
  const secretBody = (members: object = {}) => {
    const app = simulator.addClientCredentialsApp({ scopes: ['api', 'cdp_api'] })
    return {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      ...members,
    }
  }
  const connectedBody = (members: object = {}) => {
    const app = simulator.addRefreshTokenApp({ deviceFlow: true })
    return {
      login_url: app.loginUrl,
      grant: { type: 'refresh_token', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
      ...members,
    }
  }
  const exchangeBody = (integration: string, members: object = {}) => {
    const app = simulator.addTokenExchangeApp()
    return {
      login_url: app.loginUrl,
      grant: {
        ...{ type: 'token_exchange', client_id: app.clientId, token_handler: 'Handler' },
        subject_token: { integration },
      },
      credential: { client_secret: app.clientSecret },
      ...members,
    }
  }
  const make = async (whose: Whose, body: object): Promise<string> => {
    const name = newName(whose)
    await expect(201, call('PUT', `/integrations/${name}`, { body }))
    return name
  }
  const stage = async (name: string, body: object = { generate: {} }): Promise<string> =>
    (await expect(201, call('POST', `/integrations/${name}/credentials`, { body }))).body.id
  const apiKey = async (integrations: readonly string[]): Promise<string> => {
    const body = { name: `key-${randomUUID()}`, permissions: ['tokens:read'], integrations }
    return (await expect(201, call('POST', '/api-keys', { body }))).body.id
  }
  const asking =
    (method: string, path: string, options: CallOptions = {}) =>
    (key: string) =>
      call(method, path, { ...options, key })

  return {
    ...{ simulator, broker, call, expect, newName, make, stage, apiKey, asking },
    ...{ signingBody, secretBody, connectedBody, exchangeBody },
    fullKey,
    keyLacking: (permission: Permission, lack: Lack) =>
      idp.sign({ sub: subjectOf(permission, lack) }),
  }
}

export type AccessWorld = Awaited<ReturnType<typeof accessWorld>>
