/**
 * Data keys: sealing keys that the store holds wrapped. A key of a signer wraps them, so that the
 * store alone, and a backup alone, open nothing. One document has all data keys of one name: the
 * first one seals. Nothing is sealed with a data key before its document is written.
 */
import { timingSafeEqual } from 'node:crypto'
import { Type } from 'typebox'
import { signingRefused } from '../../signers/signing-problem.ts'
import type { Wrapper } from '../../signers/wrapping/wrapping.ts'
import { documentKind } from '../../store/documents.ts'
import type { BodyOf } from '../../store/record-body.ts'
import type { Documents } from '../../store/store.ts'

const WrappedKey = Type.Object({
  /** Id of the sealing key. */
  id: Type.String(),
  /** Base64, or as the signer writes it. */
  wrapped: Type.String(),
  /** For people: the signer, and its key that wrapped. What unwraps is that of the settings. */
  signer: Type.String(),
  key: Type.String(),
  /** Epoch milliseconds. */
  wrappedAt: Type.Number(),
})

export type WrappedKey = BodyOf<typeof WrappedKey>

const DataKeysBody = Type.Object({ keys: Type.Array(WrappedKey, { minItems: 1 }) })

export type DataKeysBody = BodyOf<typeof DataKeysBody>

/** As a backup has them. */
export const NamedDataKeys = Type.Object({
  name: Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$' }),
  keys: Type.Array(WrappedKey, { minItems: 1, maxItems: 1000 }),
})

export type NamedDataKeys = BodyOf<typeof NamedDataKeys>

export const DATA_KEYS = documentKind({
  kind: 'data-key',
  schema: DataKeysBody,
  replacesCorrupt: true,
})

/** A data key that this process holds. */
export interface DataKey {
  /** Of the `keyring_keys`. */
  readonly name: string
  /** 32 bytes. */
  readonly key: Uint8Array
  readonly record: WrappedKey
}

/** So that the text is valid for this key of this name only, and is no ciphertext of something else. */
const bindingOf = (name: string, id: string): string => `valetkey/data-key/1:${name}:${id}`

/** Throws `signer_unavailable`, `signing_refused`. */
export async function unwrapped(wrapper: Wrapper, record: WrappedKey): Promise<DataKey> {
  const { name } = wrapper
  const key = await wrapper.unwrap(record.wrapped, bindingOf(name, record.id))
  return { name, key, record }
}

/**
 * Unwraps the result once, because a policy that lets a service wrap and not unwrap would lose all
 * that the key seals. Throws `signer_unavailable`, `signing_refused`.
 */
export async function wrapped(
  wrapper: Wrapper,
  { id, key }: { readonly id: string; readonly key: Uint8Array },
  now: number,
): Promise<WrappedKey> {
  const { name, signer, key: by } = wrapper
  const text = await wrapper.wrap(key, bindingOf(name, id))
  const record = { id, wrapped: text, signer: signer.name, key: by, wrappedAt: now }
  const { key: back } = await unwrapped(wrapper, record)
  if (isSameKey(back, key)) return record
  throw signingRefused(signer.name, `does not give back what it wrapped with ${by}`)
}

/** In constant time. */
export const isSameKey = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && timingSafeEqual(a, b)

/** The version of the key that wrapped. Null: the signer has none. */
export function versionOf({ wrapped: text }: Pick<WrappedKey, 'wrapped'>): number | null {
  const [, version] = /^vault:v([0-9]{1,9}):/.exec(text) ?? []
  return version === undefined ? null : Number(version)
}

/** Also of names that the setting does not have. Omits unusable documents. */
export async function allDataKeys(
  documents: Pick<Documents, 'list'>,
): Promise<readonly NamedDataKeys[]> {
  const found: NamedDataKeys[] = []
  for await (const { id: name, body } of DATA_KEYS.all(documents)) {
    found.push({ name, keys: [...body.keys] })
  }
  return found
}

/** Appends the keys that a name lacks, so that the sealing key stays the same. */
export async function addDataKeys(
  documents: Pick<Documents, 'read' | 'write'>,
  { name, keys }: NamedDataKeys,
): Promise<void> {
  await DATA_KEYS.update(documents, name, (stored) => {
    const present = stored?.body.keys ?? []
    const added = keys.filter(({ id }) => !present.some((one) => one.id === id))
    return added.length === 0 ? undefined : { keys: [...present, ...added] }
  })
}
