import type { Secret } from '../../crypto/secret.ts'

/**
 * Converts member names from `snake_case` on the wire to `camelCase`, at every depth. Names chosen
 * by users (labels, claims, metadata environments) are not converted.
 */
export function camelKeys<T>(value: T): CamelKeys<T> {
  return converted(value, toCamel) as CamelKeys<T>
}

/** The inverse of {@link camelKeys}. */
export function snakeKeys<T>(value: T): SnakeKeys<T> {
  return converted(value, toSnake) as SnakeKeys<T>
}

const FREE_MEMBERS = ['labels', 'claims', 'environment'] as const

type FreeMember = (typeof FREE_MEMBERS)[number]
type Indivisible = Date | Secret | Uint8Array | ((...values: never[]) => unknown)

type CamelKey<Key> = Key extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelKey<Tail>>}`
  : Key

type SnakeKey<Key> = Key extends `${infer Head}${infer Tail}`
  ? `${Head extends Lowercase<Head> ? Head : `_${Lowercase<Head>}`}${SnakeKey<Tail>}`
  : Key

/** A type with the member names of {@link camelKeys}. */
export type CamelKeys<T> = T extends Indivisible
  ? T
  : T extends readonly unknown[]
    ? { [Index in keyof T]: CamelKeys<T[Index]> }
    : T extends object
      ? {
          [Key in keyof T as CamelKey<Key> & PropertyKey]: Key extends FreeMember
            ? T[Key]
            : CamelKeys<T[Key]>
        }
      : T

/** A type with the member names of {@link snakeKeys}. */
export type SnakeKeys<T> = T extends Indivisible
  ? T
  : T extends readonly unknown[]
    ? { [Index in keyof T]: SnakeKeys<T[Index]> }
    : T extends object
      ? {
          [Key in keyof T as SnakeKey<Key> & PropertyKey]: Key extends FreeMember
            ? T[Key]
            : SnakeKeys<T[Key]>
        }
      : T

function converted(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => converted(item, rename))
  if (!isPlainObject(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      rename(key),
      isFree(key) ? member : converted(member, rename),
    ]),
  )
}

function isFree(key: string): boolean {
  return (FREE_MEMBERS as readonly string[]).includes(key)
}

/** Instances of classes (Secret, Date, KeyObject) are not converted. */
function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** Most names that are remembered. There are fewer in the schemas; callers may send any. */
const REMEMBERED_MAX = 1_000

/** A list converts the same names for each item. */
function remembering(rename: (key: string) => string): (key: string) => string {
  const known = new Map<string, string>()
  return (key) => {
    const name = known.get(key)
    if (name !== undefined) return name
    const renamed = rename(key)
    if (known.size < REMEMBERED_MAX) known.set(key, renamed)
    return renamed
  }
}

const toCamel = remembering((key) =>
  key.replace(/(?<=[a-z0-9])_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
)

const toSnake = remembering((key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
