/** Credentials whose key is at a signer. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import type { KeyReference, RemoteKey } from '../signers/remote-key.ts'
import type { Credential, CredentialSecret } from './credential.ts'

/** Whether a request names this key, so that its signer need not be asked. */
export const isKnownKey = (
  { name, key, keyVersion, publicKey }: RemoteKey,
  asked: KeyReference,
  certified: KeyObject | undefined,
): boolean =>
  name === asked.name &&
  key === asked.key &&
  (asked.keyVersion === undefined || keyVersion === asked.keyVersion) &&
  (certified === undefined || createPublicKey(publicKey).equals(certified))

/** The public part of a secret that says where its key is. */
export function signerIn(secret: CredentialSecret): Pick<Credential, 'signer'> {
  if (!('remote' in secret)) return {}
  const { name, key, keyVersion } = secret.remote
  return { signer: { name, key, ...(keyVersion !== undefined && { keyVersion }) } }
}
