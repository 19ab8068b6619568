/** OpenBao, a simulator and a broker that signs by it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { AppSeed, Simulator } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import type { Environment } from '../../src/config/config.ts'
import { startBroker, type TestBroker } from '../support/broker.ts'
import { type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts'
import { type Bao, startBao, withTransit } from '../support/openbao.ts'
import { expect } from '../support/rotatable.ts'

export interface SigningWorld {
  readonly bao: Bao
  readonly simulator: Simulator
  readonly broker: TestBroker
  readonly folder: string
  /** Between the broker and OpenBao. Only where the world is proxied. */
  readonly proxy: FaultProxy
  /** The file with the token of the broker. */
  readonly tokenFile: string
  /** An integration that signs with a key of Transit, certified by the broker, and its app. */
  signing(name: string, signer: object, members?: object): Promise<AppSeed>
  /** The current token, as a caller gets it. */
  token(name: string): ReturnType<TestBroker['call']>
}

interface WorldOptions {
  readonly keys: readonly string[]
  /** Default false. */
  readonly proxied?: boolean
  /** Of the signer `vault`. */
  readonly signer?: object
  readonly now?: () => number
  /** Of the broker. */
  readonly env?: Environment
}

export async function signingWorld(t: Test, options: WorldOptions): Promise<SigningWorld> {
  const bao = await startBao(t)
  await withTransit(bao, options.keys)
  const proxy = options.proxied ? await startFaultProxy(Number(new URL(bao.url).port)) : undefined
  t.teardown(() => proxy?.close())
  const address = proxy ? `http://127.0.0.1:${new URL(proxy.url).port}` : bao.url
  const simulator = await startSimulator({
    ...(options.now && { now: options.now }),
    settings: { expiresIn: 7_200 },
  })
  t.teardown(() => simulator.stop())
  const folder = t.testdir({})
  const tokenFile = join(folder, 'token')
  await writeFile(tokenFile, await bao.tokenOf('valetkey'))
  const file = await signersFile(folder, {
    vault: {
      ...{ type: 'vault_transit', address, keys: ['valetkey-*'] },
      auth: { type: 'token_file', token_file: tokenFile },
      ...options.signer,
    },
  })
  const broker = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain, simulator.origins.login],
    env: { ...options.env, VALETKEY_SIGNERS: file },
    ...(options.now && { now: options.now }),
  })
  const { call } = broker
  const signing: SigningWorld['signing'] = async (name, signer, members = {}) => {
    const path = `/integrations/${name}`
    const draft = {
      login_url: simulator.origins.myDomain,
      grant: { type: 'jwt_bearer', username: 'billing@acme.com' },
      credential: { signer, generate: {} },
      ...members,
    }
    await expect(201, call('PUT', path, { body: draft }))
    const { items } = (await expect(200, call('GET', `${path}/credentials`))).body
    const app = simulator.addJwtApp({ certificatePem: items[0].certificate.pem })
    await expect(
      200,
      call('PATCH', path, {
        body: { grant: { client_id: app.clientId } },
        headers: { 'if-match': '*', 'content-type': 'application/merge-patch+json' },
      }),
    )
    return app
  }
  return {
    ...{ bao, simulator, broker, folder, tokenFile, signing },
    get proxy() {
      if (!proxy) throw new Error('the world is not proxied')
      return proxy
    },
    token: (name) => call('GET', `/tokens/${name}`),
  }
}

/** JSON is YAML. */
export async function signersFile(folder: string, signers: object): Promise<string> {
  const file = join(folder, 'signers.yaml')
  await writeFile(file, JSON.stringify({ signers }))
  return file
}
