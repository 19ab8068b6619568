/** Reads secrets of the KV engine of Vault or OpenBao, version 1 and 2. Its answers tell which of them it is. */
import { Secret } from '../../crypto/secret.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import type { SecretContent } from '../secret-reference.ts'
import type { VaultSettings } from '../signer-settings.ts'
import { signerAway, signingRefused } from '../signing-problem.ts'
import { createVaultAsking } from './vault-asking.ts'
import { isObject, type VaultClient } from './vault-client.ts'
import type { VaultSession } from './vault-session.ts'

interface VaultKvDependencies {
  readonly settings: Pick<VaultSettings, 'name' | 'auth'>
  readonly client: VaultClient
  readonly outbound: Pick<Outbound, 'send'>
  readonly session: Pick<VaultSession, 'token' | 'isOver'>
}

type Members = Readonly<Record<string, unknown>>

export function createVaultKv({ settings, client, outbound, session }: VaultKvDependencies) {
  const { name, auth } = settings

  const ask = createVaultAsking({
    ...{ name, auth, client, outbound, session, what: 'secret' },
    cureOf: (path) => `Allow read on ${path} in the policy of this service.`,
  })
  const missing = (path: string, version: number | undefined, data: Members) => {
    const { metadata } = data
    // Version 2 says of a version that it was there.
    if (isObject(metadata)) {
      const what = metadata.destroyed === true ? 'destroyed' : 'deleted'
      return signingRefused(name, `has no version ${metadata.version} of ${path}: it was ${what}`, {
        remedy: `Undelete the version, or write a new one.`,
      })
    }
    const which = version === undefined ? path : `version ${version} of ${path}`
    return signingRefused(name, `has no secret ${which} (404)`, {
      remedy:
        'Write the secret, or name the path as a policy has it: KV version 2 has /data/ behind its mount, as in secret/data/billing.',
    })
  }

  const strange = (path: string, why: string) =>
    signingRefused(name, `has no secret of KV at ${path}: ${why}`, {
      remedy: 'Name the path of a secret of the KV engine.',
    })

  /** `version`: of version 2 of the engine; version 1 ignores it. Throws `signer_unavailable`, `signing_refused`. */
  return async (
    path: string,
    version: number | undefined,
    signal: AbortSignal,
  ): Promise<SecretContent> => {
    const escaped = path.split('/').map(encodeURIComponent).join('/')
    const query = version === undefined ? '' : `?version=${version}`
    const { status, body } = await ask(path, { method: 'GET', path: `${escaped}${query}` }, signal)
    const data = isObject(body.data) ? body.data : {}
    if (status === 404) throw missing(path, version, data)
    if (status !== 200) {
      throw status === 500
        ? signerAway(name, 'answers with the status 500')
        : signingRefused(name, `refuses to read ${path} (${status})`)
    }
    // Such an engine makes a new secret at each read.
    if (body.lease_id !== undefined && body.lease_id !== '') {
      throw strange(path, 'each read makes a new one, with a lease')
    }
    const { metadata } = data
    if (isObject(data.data) && isObject(metadata) && typeof metadata.version === 'number') {
      return { fields: fieldsOf(data.data), version: metadata.version }
    }
    const { lease_duration: seconds } = body
    return {
      fields: fieldsOf(data),
      ...(typeof seconds === 'number' && seconds > 0 && { lifeMs: seconds * 1000 }),
    }
  }
}

/** Only texts are secrets for Salesforce. */
const fieldsOf = (data: Members): SecretContent['fields'] =>
  new Map(
    Object.entries(data).flatMap(([field, value]) =>
      typeof value === 'string' && value !== '' ? [[field, new Secret(value)] as const] : [],
    ),
  )
