/** OpenBao with keys that wrap, as docs/keyring.md sets them up, and the way to it. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { planKeyring } from '../../src/config/keyring-keys.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { composeWrappers } from '../../src/signers/compose.ts'
import { type Bao, startBao } from '../support/openbao.ts'
import { testLog, testRuntime } from '../support/runtime.ts'

export const KEYRING_DOC = readFileSync(new URL('../../docs/keyring.md', import.meta.url), 'utf8')

/** The policy of the document: what the broker needs, and no more. */
export const WRAPPING_POLICY = /```hcl\n([^`]*)```/.exec(KEYRING_DOC)?.[1] ?? ''

export const KEY = 'keyring-valetkey'

export interface WrappingWorld {
  readonly bao: Bao
  readonly folder: string
  /** The file of `VALETKEY_SIGNERS`. It names `main` and `second`, both with the key of the document. */
  readonly signersFile: string
  readonly tokenFile: string
}

interface WorldOptions {
  /** Default: that of OpenBao. */
  readonly address?: string
  /** More of `keyring_keys`. */
  readonly keys?: Readonly<Record<string, object>>
}

export async function wrappingWorld(
  t: Test,
  { address, keys = {} }: WorldOptions = {},
  bao?: Bao,
): Promise<WrappingWorld> {
  const vault = bao ?? (await newVault(t))
  const folder = t.testdir({})
  const tokenFile = join(folder, 'token')
  const signersFile = join(folder, 'signers.yaml')
  await writeFile(tokenFile, await vault.tokenOf('keyring'))
  await writeSigners(signersFile, { address: address ?? vault.url, tokenFile, keys })
  return { bao: vault, folder, signersFile, tokenFile }
}

interface Teardown {
  teardown(end: () => unknown): void
}

export async function newVault(t: Teardown): Promise<Bao> {
  const bao = await startBao(t)
  await bao.call('POST', 'sys/mounts/transit', { type: 'transit' })
  await bao.call('PUT', 'sys/policies/acl/keyring', { policy: WRAPPING_POLICY })
  await bao.call('POST', `transit/keys/${KEY}`, {})
  return bao
}

interface SignersFile {
  readonly address: string
  readonly tokenFile: string
  readonly keys?: Readonly<Record<string, object>>
}

/** JSON is YAML. */
export async function writeSigners(file: string, { address, tokenFile, keys }: SignersFile) {
  const vault = {
    ...{ type: 'vault_transit', address, timeout_seconds: 1 },
    auth: { type: 'token_file', token_file: tokenFile },
  }
  const key = { signer: 'vault', key: KEY }
  const keyring_keys = { main: key, second: key, ...keys }
  await writeFile(file, JSON.stringify({ signers: { vault }, keyring_keys }))
}

/** The whole text of the data key `main` that brokers at this store use, so that it can be looked for where it must not be. */
export async function plainKey(
  { bao }: Pick<WrappingWorld, 'bao'>,
  redisUrl: string,
): Promise<string> {
  const client = new Redis(redisUrl, { protocol: 2 })
  const [key = ''] = await client.keys('*d:data-key:main')
  const { id, wrapped } = JSON.parse((await client.hget(key, 'body')) ?? '').keys[0]
  client.disconnect()
  const binding = Buffer.from(`valetkey/data-key/1:main:${id}`).toString('base64')
  const body = { ciphertext: wrapped, associated_data: binding }
  const { plaintext } = await bao.call('POST', `transit/decrypt/${KEY}`, body)
  return String(plaintext)
}

/** What a process makes of the setting. Ends with the test. */
export function wrappersOf(t: Test, { signersFile }: WrappingWorld, keyring: string) {
  const readFile = (path: string) => readFileSync(path, 'utf8')
  const plan = planKeyring(new Secret(keyring), signersFile, readFile)
  const wrappers = composeWrappers({
    ...{ settings: plan.wrappings, runtime: testRuntime(), log: testLog() },
  })
  t.teardown(() => wrappers.stop())
  return { entries: plan.entries, wrappers }
}
