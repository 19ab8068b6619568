/** The keys that wrap data keys: `keyring_keys` in the file of `VALETKEY_SIGNERS`, and which of them `VALETKEY_KEYRING` names. */
import {
  isOutside,
  type KeyringEntry,
  type OutsideEntry,
  outsideText,
  parseKeyring,
} from '../crypto/keyring-text.ts'
import type { Secret } from '../crypto/secret.ts'
import type { WrappingSettings } from '../signers/wrapping/wrapping.ts'
import { ConfigError } from './config-error.ts'
import type { ReadFile } from './loader.ts'
import { readSignersFile } from './signers-file.ts'

export interface KeyringPlan {
  readonly entries: readonly KeyringEntry[]
  /** For the names of the entries. */
  readonly wrappings: readonly WrappingSettings[]
}

const VARIABLE = 'VALETKEY_KEYRING'

/** Throws {@link ConfigError} with every mistake. */
export function planKeyring(
  keyring: Secret,
  signersFile: string | undefined,
  readFile: ReadFile,
): KeyringPlan {
  const parsed = parseKeyring(keyring.reveal())
  if ('mistakes' in parsed) {
    throw new ConfigError(parsed.mistakes.map((mistake) => `${VARIABLE}: ${mistake}`))
  }
  const { entries } = parsed
  const outside = entries.filter(isOutside)
  if (outside.length === 0) return { entries, wrappings: [] }
  const { keyringKeys } = readSignersFile(signersFile, readFile)
  const mistakes = outside.flatMap((entry) => mistakeOf(entry, signersFile, keyringKeys))
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  const names = new Set(outside.map(({ name }) => name))
  return { entries, wrappings: keyringKeys.filter(({ name }) => names.has(name)) }
}

function mistakeOf(
  entry: OutsideEntry,
  signersFile: string | undefined,
  keyringKeys: readonly WrappingSettings[],
): readonly string[] {
  const text = outsideText(entry)
  if (signersFile === undefined) return [`${VARIABLE}: ${text} needs VALETKEY_SIGNERS`]
  const found = keyringKeys.find(({ name }) => name === entry.name)
  if (!found) {
    const where = 'keyring_keys of the file of VALETKEY_SIGNERS'
    return [`${VARIABLE}: ${text} is not there: ${where} has no ${entry.name}`]
  }
  const { type } = found.signer
  if (type === entry.type) return []
  return [
    `${VARIABLE}: ${text} is of a signer of the type ${type}: write ${outsideText({ ...entry, type })}`,
  ]
}
