/** OpenBao with secrets, a simulator, and replicas of a broker that reads them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBroker, type TestBroker } from '../support/broker.ts'
import type { Answer } from '../support/caller.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { type Bao, type SecretsAt, startBao, withSecrets } from '../support/openbao.ts'
import { startRedis } from '../support/redis.ts'
import { expect } from '../support/rotatable.ts'
import { signersFile } from './signing-world.ts'

export interface Replica extends Pick<TestBroker, 'call' | 'logs' | 'audit' | 'stop'> {
  /** The credentials of an integration. */
  credentials(name: string): Promise<readonly Held[]>
  /** A token that no lease had before. */
  fresh(name: string): Promise<Answer>
  /** Whether `/readyz` says that all secrets were read. */
  areRead(): Promise<boolean>
}

/** A credential as the API has it. */
export interface Held {
  readonly id: string
  readonly state: string
  readonly sources: Readonly<Record<string, { readonly version_in_use?: number }>>
}

export interface VaultSecretWorld {
  readonly bao: Bao
  readonly secrets: SecretsAt
  readonly simulator: Simulator
  /** The file with the token of the brokers, which they read at each use. */
  readonly tokenFile: string
  readonly folder: string
  /** A replica at the same store. */
  start(members?: Readonly<Record<string, string>>): Promise<Replica>
  /** Lets the secrets be due for all replicas. */
  pass(ms?: number): void
  /** An app with a client secret, and the definition of its integration. */
  app(credential: object): { readonly app: AppSeed; readonly body: object }
}

interface WorldOptions {
  readonly store?: 'embedded' | 'redis'
  /** Of the signer `vault`. */
  readonly signer?: object
}

const LOOK_MS = 61_000

export async function vaultSecretWorld(
  t: Test,
  { store = 'embedded', signer = {} }: WorldOptions = {},
): Promise<VaultSecretWorld> {
  const bao = await startBao(t)
  const secrets = await withSecrets(bao)
  let ahead = 0
  const now = () => Date.now() + ahead
  const simulator = await startSimulator({ now, settings: { expiresIn: 86_400 } })
  t.teardown(() => simulator.stop())
  const folder = t.testdir({ data: {} })
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, await bao.tokenOf('valetkey-secrets'))
  const file = await signersFile(folder, {
    vault: {
      ...{ type: 'vault_transit', address: bao.url, timeout_seconds: 3 },
      secrets: ['secret/data/valetkey/*', 'kv/valetkey/*'],
      auth: { type: 'token_file', token_file: tokenFile },
      ...signer,
    },
  })
  const redis = store === 'redis' ? await startRedis() : undefined
  if (redis) t.teardown(() => redis.stop())
  const common = {
    ...{ loginHosts: [simulator.origins.myDomain], now, adminKey: newAdminKey() },
    keyring: generateKeyring(Date.now()).reveal(),
    ...(redis ? { redisUrl: redis.url } : { dataDir: join(folder, 'data') }),
  }
  const start: VaultSecretWorld['start'] = async (env = {}) => {
    const broker = await startBroker(t, { ...common, env: { VALETKEY_SIGNERS: file, ...env } })
    const { call, logs, audit, stop } = broker
    return {
      ...{ call, logs, audit, stop },
      credentials: async (name) =>
        (await expect(200, call('GET', `/integrations/${name}/credentials`))).body.items,
      async fresh(name) {
        const had = (await call('GET', `/integrations/${name}`)).body.status?.lease
        if (had) await lifeKnown(call, name)
        await expect(204, call('DELETE', `/tokens/${name}`))
        return call('GET', `/tokens/${name}`)
      },
      async areRead() {
        const { checks } = (await call('GET', '/readyz')).body
        return checks.find((one: { name: string }) => one.name === 'secrets')?.ok
      },
    }
  }
  return {
    ...{ bao, secrets, simulator, tokenFile, folder, start },
    pass(ms = LOOK_MS) {
      ahead += ms
    },
    app(credential) {
      const app = simulator.addClientCredentialsApp()
      const grant = { type: 'client_credentials', client_id: app.clientId }
      return { app, body: { login_url: app.loginUrl, grant, credential } }
    },
  }
}

/** A client secret at this place. */
export const inVault = (path: string, members: object = {}) => ({
  client_secret: { vault: { path, field: 'client_secret', ...members } },
})
