/** Which secrets of a vault may be read, and by which integrations. The file of `VALETKEY_SIGNERS` says so. Pure. */
import { matchesGlob } from '../callers/glob.ts'
import { BrokerError } from '../errors/errors.ts'
import type { AskedReference, SecretReference } from './secret-reference.ts'
import type { SignerSettings, VaultSettings } from './signer-settings.ts'
import { signingRefused } from './signing-problem.ts'

type Readable = Pick<SignerSettings, 'name' | 'integrations'> & Pick<VaultSettings, 'secrets'>

const matchesAny = (globs: readonly string[], text: string): boolean =>
  globs.some((glob) => matchesGlob(glob, text))

/** Whether integrations may name any of its secrets. */
export const keepsSecrets = ({ secrets = [] }: Pick<Readable, 'secrets'>): boolean =>
  secrets.length > 0

/** Throws `credential_invalid`. */
export function allowedReference(
  settings: readonly Readable[],
  { name, path, field, version }: AskedReference,
  integration: string,
): SecretReference {
  const open = settings.filter(
    (one) => keepsSecrets(one) && matchesAny(one.integrations, integration),
  )
  const [found, other] = name === undefined ? open : open.filter((one) => one.name === name)
  if (!found) {
    const which = name === undefined ? 'vault' : `vault ${name}`
    throw new BrokerError(
      'credential_invalid',
      `vault/name: this service has no ${which} with secrets for ${integration}`,
      {
        remedy:
          'Name a vault that has `secrets` in the file of VALETKEY_SIGNERS and that this integration may use.',
      },
    )
  }
  if (other) {
    throw new BrokerError(
      'credential_invalid',
      'vault/name: it must be there, because this service has more than one vault with secrets',
      { remedy: `Name one of them: ${open.map((one) => one.name).join(', ')}.` },
    )
  }
  if (!matchesAny(found.secrets ?? [], path)) {
    throw new BrokerError(
      'credential_invalid',
      `vault/path: the secrets of the vault ${found.name} do not include ${path}`,
      { remedy: 'Name a path that the file of VALETKEY_SIGNERS lists for this vault.' },
    )
  }
  return { name: found.name, path, field, ...(version !== undefined && { version }) }
}

/** The file may list fewer paths than when the credential was written. Throws `signing_refused`. */
export function checkReadable({ name, secrets = [] }: Readable, path: string): void {
  if (matchesAny(secrets, path)) return
  throw signingRefused(name, `may not be asked for the secret ${path}`, {
    remedy: `Add ${path} to the secrets of ${name} in the file of VALETKEY_SIGNERS and restart, or stage a credential with another secret.`,
  })
}

/** Throws `signing_refused`. */
export function unreadable(name: string): never {
  throw signingRefused(name, 'keeps no secrets that can be read', {
    remedy: 'Name a vault of the type vault_transit.',
  })
}
