/** Signs by the Transit engine of Vault or OpenBao. */
import type { Outbound } from '../../http/outbound/outbound.ts'
import { FITNESS } from '../fitness.ts'
import {
  algorithmOf,
  type NamedKey,
  type PublicKey,
  type SigningAlgorithm,
  type SigningBackend,
} from '../remote-key.ts'
import type { VaultSettings } from '../signer-settings.ts'
import { signerAway, signingRefused } from '../signing-problem.ts'
import { createVaultAsking } from './vault-asking.ts'
import { isObject, type VaultClient } from './vault-client.ts'
import type { VaultSession } from './vault-session.ts'

interface VaultTransitDependencies {
  readonly settings: Pick<VaultSettings, 'name' | 'mount' | 'auth'>
  readonly client: VaultClient
  readonly outbound: Outbound
  readonly session: VaultSession
}

/** Its own words for a version that it does not sign with. The status is 500. */
const OF_VERSION = /version for signing|version is (?:too old|disallowed)|no such version/i
const NOT_FOUND = /key not found|no handler for route/i

const TYPES: Readonly<Record<SigningAlgorithm, RegExp>> = {
  RS256: /^rsa-(?:2048|3072|4096)$/,
  ES256: /^ecdsa-p256$/,
}

/** The defaults are PSS for RSA keys, and DER for those of a curve. */
const WAYS: Readonly<Record<SigningAlgorithm, object>> = {
  RS256: { signature_algorithm: 'pkcs1v15' },
  ES256: { marshaling_algorithm: 'jws' },
}

export function createVaultTransit(dependencies: VaultTransitDependencies): SigningBackend {
  const { settings, client, outbound, session } = dependencies
  const { name, mount, auth } = settings

  const ask = createVaultAsking({
    ...{ name, auth, client, outbound, session },
    cureOf: (key) =>
      `Allow update on ${mount}/sign/${key}/sha2-256 and read on ${mount}/keys/${key} in the policy of this service.`,
  })

  const missing = (key: string, algorithm: SigningAlgorithm) => {
    const { transit, instead } = FITNESS[algorithm]
    return signingRefused(name, `has no key ${key} at ${mount}`, {
      remedy: `Create the key ${key} with the type ${transit}, or name another one. A deleted key does not come back: ${instead}`,
    })
  }

  const unfit = (key: string, algorithm: SigningAlgorithm) => {
    const { what, transit, why } = FITNESS[algorithm]
    return signingRefused(name, `cannot sign with ${key}: it is no ${what}`, {
      remedy: `Use a key of the type ${transit}. ${why}`,
    })
  }

  const refusedBy = (named: NamedKey, status: number, words: string) => {
    const { key, keyVersion } = named
    const algorithm = algorithmOf(named)
    if (OF_VERSION.test(words)) {
      return signingRefused(name, `does not sign with version ${keyVersion} of ${key}`, {
        remedy: `Lower min_encryption_version of the key, if the version is still there. If it was trimmed, ${FITNESS[algorithm].newer}`,
      })
    }
    if (status === 404 || NOT_FOUND.test(words)) return missing(key, algorithm)
    if (/support|algorithm|marshal|hash/i.test(words)) return unfit(key, algorithm)
    return status === 500
      ? signerAway(name, 'answers with the status 500')
      : signingRefused(name, `refuses to sign with ${key} (${status})`)
  }

  return {
    async sign(reference, data, signal) {
      const { key, keyVersion } = reference
      const path = `${mount}/sign/${encodeURIComponent(key)}/sha2-256`
      const body = {
        input: Buffer.from(data).toString('base64'),
        ...WAYS[algorithmOf(reference)],
        prehashed: false,
        ...(keyVersion !== undefined && { key_version: keyVersion }),
      }
      const answer = await ask(key, { method: 'POST', path, body, repeatable: true }, signal)
      if (answer.status !== 200) throw refusedBy(reference, answer.status, answer.words)
      const { signature } = isObject(answer.body.data) ? answer.body.data : {}
      const [, , encoded] = typeof signature === 'string' ? signature.split(':') : []
      if (encoded === undefined) throw signerAway(name, 'answers without a signature')
      return Buffer.from(encoded, 'base64')
    },

    async publicKeys(key, algorithm, signal) {
      const named = { name, key, algorithm }
      const path = `${mount}/keys/${encodeURIComponent(key)}`
      const answer = await ask(key, { method: 'GET', path }, signal)
      if (answer.status !== 200) throw refusedBy(named, answer.status, answer.words)
      const { type, keys } = isObject(answer.body.data) ? answer.body.data : {}
      if (typeof type !== 'string' || !TYPES[algorithm].test(type)) throw unfit(key, algorithm)
      return Object.entries(isObject(keys) ? keys : {})
        .flatMap(([version, one]): PublicKey[] => {
          const pem = isObject(one) ? one.public_key : undefined
          return typeof pem === 'string' ? [{ version: Number(version), pem }] : []
        })
        .sort((a, b) => (a.version ?? 0) - (b.version ?? 0))
    },

    async rotate(key, signal) {
      const path = `${mount}/keys/${encodeURIComponent(key)}/rotate`
      const answer = await ask(key, { method: 'POST', path, body: {} }, signal)
      if (answer.status >= 300) throw refusedBy({ name, key }, answer.status, answer.words)
    },

    start: session.start,
    async stop() {
      await session.stop()
      await outbound.close()
    },
  }
}
