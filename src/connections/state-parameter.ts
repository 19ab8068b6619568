/** The `state` that goes to Salesforce and comes back: names a connection, and proves that who brings it was sent by us. */
import { createHash, timingSafeEqual } from 'node:crypto'

/** 16 bytes that find the connection, and 32 that prove it; both in base64url. */
const STATE = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/

export interface StateParameter {
  readonly id: string
  readonly secret: string
}

export const stateText = ({ id, secret }: StateParameter): string => `${id}.${secret}`

/** Undefined: it is none of ours. */
export function parseState(text: unknown): StateParameter | undefined {
  const [, id, secret] = (typeof text === 'string' && STATE.exec(text)) || []
  return id !== undefined && secret !== undefined ? { id, secret } : undefined
}

export const stateDigest = (secret: string): string => digest(secret).toString('base64url')

/** In constant time: the digest alone is kept, so that who reads the store cannot finish a connection. */
export function provesState(secret: string, kept: string | null): boolean {
  const expected = Buffer.from(kept ?? '', 'base64url')
  const given = digest(secret)
  return expected.length === given.length && timingSafeEqual(expected, given)
}

const digest = (text: string) => createHash('sha256').update(text).digest()
