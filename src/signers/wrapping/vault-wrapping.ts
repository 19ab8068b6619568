/** Wraps by the Transit engine of Vault or OpenBao. */
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { VaultSettings } from '../signer-settings.ts'
import { signerAway, signingRefused } from '../signing-problem.ts'
import { createVaultAsking } from '../vault/vault-asking.ts'
import { isObject, type VaultClient } from '../vault/vault-client.ts'
import type { VaultSession } from '../vault/vault-session.ts'
import type { WrappingBackend } from './wrapping.ts'

interface VaultWrappingDependencies {
  readonly settings: Pick<VaultSettings, 'name' | 'mount' | 'auth'>
  readonly client: VaultClient
  readonly outbound: Outbound
  readonly session: VaultSession
}

/** Transit refuses `associated_data` for keys that do not authenticate, such as RSA. */
const NOT_AEAD = /non-AEAD|not? support|unsupported|key derivation/i
const TOO_OLD = /too old|disallowed/i
const NOT_FOUND = /key not found|no handler for route/i
const NOT_AUTHENTIC = /authentication failed|invalid ciphertext|unable to decrypt/i

export function createVaultWrapping(dependencies: VaultWrappingDependencies): WrappingBackend {
  const { settings, client, outbound, session } = dependencies
  const { name, mount, auth } = settings

  const ask = createVaultAsking({
    ...{ name, auth, client, outbound, session },
    cureOf: (key) =>
      `Allow update on ${mount}/encrypt/${key} and ${mount}/decrypt/${key} in the policy of this service.`,
  })

  const refusedBy = (key: string, status: number, words: string) => {
    if (status === 404 || NOT_FOUND.test(words)) {
      return signingRefused(name, `has no key ${key} at ${mount}`, {
        remedy: `Restore the key ${key}, or name the right one. What it wrapped cannot be opened without it.`,
      })
    }
    if (NOT_AEAD.test(words)) {
      return signingRefused(name, `cannot wrap with ${key}: the key does not authenticate`, {
        remedy: 'Use a key of the type aes256-gcm96 or chacha20-poly1305, not derived.',
      })
    }
    if (TOO_OLD.test(words)) {
      return signingRefused(name, `does not decrypt with the version of ${key} that wrapped`, {
        remedy: `Lower min_decryption_version of ${key} to the version that GET /keyring names, until POST /keyring/reseal has wrapped again.`,
      })
    }
    if (NOT_AUTHENTIC.test(words)) {
      return signingRefused(name, `did not wrap this with ${key}: another key has its name`, {
        remedy: `Restore the former key ${key} at the signer, or name the key that wrapped.`,
      })
    }
    return status === 500
      ? signerAway(name, 'answers with the status 500')
      : signingRefused(name, `refuses to wrap with ${key} (${status})`)
  }

  const post = async (
    what: 'encrypt' | 'decrypt',
    key: string,
    body: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, unknown>>> => {
    const path = `${mount}/${what}/${encodeURIComponent(key)}`
    const answer = await ask(key, { method: 'POST', path, body, repeatable: true }, signal)
    if (answer.status !== 200) throw refusedBy(key, answer.status, answer.words)
    return isObject(answer.body.data) ? answer.body.data : {}
  }

  return {
    async wrap(key, plaintext, binding, signal) {
      const body = { plaintext: base64(plaintext), associated_data: base64(binding) }
      const { ciphertext } = await post('encrypt', key, body, signal)
      if (typeof ciphertext !== 'string') throw signerAway(name, 'answers without a ciphertext')
      return ciphertext
    },
    async unwrap(key, wrapped, binding, signal) {
      const body = { ciphertext: wrapped, associated_data: base64(binding) }
      const { plaintext } = await post('decrypt', key, body, signal)
      if (typeof plaintext !== 'string') throw signerAway(name, 'answers without a plaintext')
      return new Uint8Array(Buffer.from(plaintext, 'base64'))
    },
    async stop() {
      await session.stop()
      await outbound.close()
    },
  }
}

const base64 = (content: string | Uint8Array): string => Buffer.from(content).toString('base64')
