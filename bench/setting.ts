/** What a broker is measured in: a Salesforce, an issuer of JWTs, one caller, and a folder for everything. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JWK } from 'jose'
import type { Simulator } from '../simulator/handle.ts'
import { startSimulator } from '../simulator/simulator.ts'
import { generateKeyring, type Keyring, keyringOf } from '../src/crypto/keyring.ts'
import { Secret } from '../src/crypto/secret.ts'
import { type BrokerProcess, newAdminKey, startBrokerProcess } from '../test/support/broker.ts'
import { bundleRoot } from '../test/support/bundle.ts'
import { endWithThisProcess } from '../test/support/children.ts'
import { eventually } from '../test/support/eventually.ts'
import { startIssuer } from '../test/support/issuer.ts'
import type { Measured } from './cost.ts'
import { createProbe } from './probe.ts'

export interface MeasuredBroker extends Measured {
  readonly process: BrokerProcess
  /** From the start of the process to readiness. */
  readonly readyMs: number
}

export interface BrokerOptions {
  readonly nodeArgs?: readonly string[]
  /** Absent: the embedded store, in a folder of its own. */
  readonly redisUrl?: string
  readonly env?: Readonly<Record<string, string>>
  /** False: nothing is loaded into it that users do not have, and its probe cannot be asked. Default true. */
  readonly isProbed?: boolean
}

export interface Setting {
  readonly simulator: Simulator
  readonly folder: string
  /** Of a caller whose JWT reads tokens of every integration. */
  readonly authorization: string
  readonly adminKey: string
  /** Of every broker: what makes records that are put there without one. */
  readonly keyring: Keyring
  /** What the JWT is verified with. */
  readonly issuerKey: JWK
  broker(options?: BrokerOptions): Promise<MeasuredBroker>
  /** A script of this folder's that prints its address as JSON. */
  server(
    script: string,
    args: readonly string[],
    env?: Readonly<Record<string, string>>,
  ): Promise<Measured>
  /** One integration of an app of its own. `changes`: members of its definition. */
  integrate(
    broker: Pick<MeasuredBroker, 'process'>,
    name: string,
    changes?: Readonly<Record<string, unknown>>,
  ): Promise<void>
}

export interface Teardown {
  teardown(end: () => unknown): void
}

const SUBJECT = 'system:serviceaccount:billing:default'

export async function prepareSetting(t: Teardown): Promise<Setting> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-bench-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const issuer = await startIssuer()
  t.teardown(() => issuer.stop())
  const config = join(folder, 'valetkey.yaml')
  await writeFile(config, configurationFile(issuer))
  const jwt = await issuer.sign({ sub: SUBJECT, exp: Math.floor(Date.now() / 1000) + 7_200 })
  const adminKey = newAdminKey()
  const keyring = generateKeyring(Date.now()).reveal()
  let count = 0

  return {
    ...{ simulator, folder, adminKey, authorization: `Bearer ${jwt}`, issuerKey: issuer.jwk },
    keyring: keyringOf(new Secret(keyring)),
    async broker({ nodeArgs = [], redisUrl, env = {}, isProbed = true } = {}) {
      count += 1
      const probe = createProbe(folder)
      const root = await bundleRoot()
      const startedAt = performance.now()
      const broker = await startBrokerProcess(t, {
        ...{ root, adminKey },
        isWatched: false,
        nodeArgs: [...(isProbed ? probe.nodeArgs : []), ...nodeArgs],
        env: {
          VALETKEY_CONFIG: config,
          VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
          VALETKEY_AUDIT_FILE: join(folder, `${count}.audit`),
          VALETKEY_KEYRING: keyring,
          ...(redisUrl === undefined
            ? { VALETKEY_DATA_DIR: join(folder, `data-${count}`) }
            : { VALETKEY_REDIS_URL: redisUrl }),
          ...probe.env,
          ...env,
        },
      })
      const readyMs = performance.now() - startedAt
      // Ready is not yet to have the keys of the issuer.
      await eventually(async () => {
        const headers = { authorization: `Bearer ${jwt}` }
        return (await fetch(`${broker.url}/whoami`, { headers })).status === 200
      })
      return { url: broker.url, process: broker, probe, readyMs }
    },
    async server(script, args, env = {}) {
      const probe = createProbe(folder)
      const path = new URL(script, import.meta.url).pathname
      const child = endWithThisProcess(
        spawn(process.execPath, [...probe.nodeArgs, path, ...args], {
          env: { PATH: process.env.PATH, ...probe.env, ...env },
          stdio: ['ignore', 'pipe', 'inherit'],
        }),
      )
      t.teardown(() => stop(child))
      return { url: `http://127.0.0.1:${await portOf(child)}`, probe }
    },
    async integrate(broker, name, changes = {}) {
      const app = simulator.addClientCredentialsApp({ name })
      const put = await broker.process.call('PUT', `/integrations/${name}`, {
        body: {
          login_url: simulator.origins.myDomain,
          grant: { type: 'client_credentials', client_id: app.clientId },
          credential: { client_secret: app.clientSecret },
          ...changes,
        },
      })
      if (put.status !== 201) throw new Error(`PUT ${name}: ${JSON.stringify(put.body)}`)
    },
  }
}

/** JSON is YAML. */
const configurationFile = ({ issuer, jwksUri }: { issuer: string; jwksUri: string }): string =>
  JSON.stringify({
    issuers: [{ issuer, audience: 'valetkey', jwks_uri: jwksUri }],
    callers: [
      {
        name: 'billing',
        match: { issuer, subject: SUBJECT },
        permissions: ['tokens:read'],
        integrations: ['*'],
      },
    ],
  })

async function portOf(child: ChildProcess): Promise<number> {
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += chunk
  })
  return eventually(() => {
    if (child.exitCode !== null) throw new Error(`a server ended with ${child.exitCode}: ${output}`)
    const port = /"port":(\d+)/.exec(output)?.[1]
    return port === undefined ? undefined : Number(port)
  })
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGKILL')
  await ended
}
