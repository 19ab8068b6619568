/** What `apply` is about to do with each integration, by what the broker has. */
import { X509Certificate } from 'node:crypto'
import type { ValetkeyClient } from '../../client/client.ts'
import { unlessGone } from '../gone.ts'
import { changesBetween, type MemberChange, writableIn } from './difference.ts'
import type { Declared } from './documents.ts'

export interface Planned {
  readonly declared: Declared
  readonly action: 'create' | 'change' | 'compare' | 'keep'
  readonly changes: readonly MemberChange[]
  /** For the write. Undefined: it must not exist. */
  readonly etag: string | undefined
  /** Whether the credential is sent. */
  readonly sendsCredential: boolean
}

export async function planFor(client: ValetkeyClient, declared: Declared): Promise<Planned> {
  const { name, definition, credential } = declared
  const found = await unlessGone(client.request('getIntegration', { path: { name } }))
  if (!found) {
    const changes = changesBetween({}, definition).filter(({ member }) => member in definition)
    const sendsCredential = credential !== undefined
    return { declared, action: 'create', changes, etag: undefined, sendsCredential }
  }
  const current = writableIn(found.body)
  const changes = [
    ...changesBetween(current, definition),
    ...lendingChange(current.credential, credential?.from),
  ]
  const sendsCredential = credential !== undefined && (await isToSend(client, name, credential))
  const action = changes.length > 0 ? 'change' : sendsCredential ? 'compare' : 'keep'
  return { declared, action, changes, etag: found.etag, sendsCredential }
}

function lendingChange(current: unknown, from: unknown): readonly MemberChange[] {
  const { from: before } = Object(current) as { from?: unknown }
  return before === from ? [] : [{ member: 'credential.from', from: before, to: from }]
}

/** A key that the broker made, or a certificate that it knows, is not sent again: a rotation is not undone. */
async function isToSend(
  client: ValetkeyClient,
  name: string,
  credential: Readonly<Record<string, unknown>>,
): Promise<boolean> {
  if (credential.from !== undefined) return true
  const { body } = await client.request('listCredentials', { path: { name } })
  const { items } = body
  if (credential.generate !== undefined) return items.length === 0
  const print = fingerprintOf(credential.certificate)
  return (
    print === undefined ||
    !items.some(({ certificate }) => certificate?.fingerprint_sha256 === print)
  )
}

/** SHA-256 of the certificate; undefined if it is none. */
function fingerprintOf(pem: unknown): string | undefined {
  if (typeof pem !== 'string') return undefined
  try {
    return new X509Certificate(pem).fingerprint256
  } catch {
    // The broker says what is wrong with it.
    return undefined
  }
}
