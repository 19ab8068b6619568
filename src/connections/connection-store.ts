/** Stores connections with sealed secrets, and the schedule of polls for devices. */
import { Type } from 'typebox'
import type { Keyring } from '../crypto/keyring.ts'
import { Secret } from '../crypto/secret.ts'
import { StoredDpopKey } from '../dpop/dpop-key.ts'
import { documentKind, type StoredDocument } from '../store/documents.ts'
import { type BodyOf, bodyReader } from '../store/record-body.ts'
import type { Documents } from '../store/store.ts'
import { type Connection, ConnectionBody, hasConnectionEnded } from './connection.ts'

export interface StoredConnection {
  readonly connection: Connection
  readonly version: number
}

export type ConnectionStore = ReturnType<typeof createConnectionStore>

const CONNECTIONS = documentKind({ kind: 'connection', schema: ConnectionBody })
export const CONNECTION_KIND = CONNECTIONS.kind
/** How long a connection can be read after its latest end. */
const KEPT_MS = 7 * 86_400_000

/** What a pending connection keeps for its end. */
export interface ConnectionSecrets {
  /** The verifier or the device code, which are never JSON. */
  readonly secret: Secret
  /** The key that the tokens are to be bound to. Absent: they are not. */
  readonly dpopKey?: StoredDpopKey
}

const readSecrets = bodyReader(
  Type.Object({ secret: Type.String(), dpopKey: Type.Optional(StoredDpopKey) }),
)

const sealName = ({ id, uid, flow }: Pick<Connection, 'id' | 'uid' | 'flow'>) =>
  `connection:${id}:${uid}:${flow}`

const endOf = ({ expiresAt }: Pick<Connection, 'expiresAt'>) => expiresAt + KEPT_MS

type Stored = StoredDocument<BodyOf<typeof ConnectionBody>>

const storedOf = ({ id, version, body }: Stored): StoredConnection => ({
  ...{ connection: { ...body, id }, version },
})

export function createConnectionStore(dependencies: {
  readonly documents: Documents
  readonly keyring: Keyring
}) {
  const { documents, keyring } = dependencies

  return {
    async create(
      fresh: Omit<Connection, 'sealed'>,
      { secret, dpopKey }: ConnectionSecrets,
    ): Promise<Connection> {
      const plain = secret.reveal()
      const text = dpopKey ? JSON.stringify({ secret: plain, dpopKey }) : plain
      const connection = { ...fresh, sealed: await keyring.seal(sealName(fresh), text) }
      const { id, ...body } = connection
      const expiresAt = endOf(body)
      await CONNECTIONS.write(documents, id, body, { expected: 'absent', expiresAt })
      return connection
    },
    async read(id: string): Promise<StoredConnection | undefined> {
      const stored = await CONNECTIONS.read(documents, id)
      return stored && storedOf(stored)
    },
    /** The pending connections of one integration, including those whose tokens are being fetched. */
    async *pendingOf({ uid }: { readonly uid: string }): AsyncGenerator<StoredConnection> {
      for await (const found of CONNECTIONS.all(documents)) {
        const stored = storedOf(found)
        const { connection } = stored
        if (connection.uid === uid && !hasConnectionEnded(connection)) yield stored
      }
    },
    /** Throws `record_corrupt`. */
    async open(connection: Connection): Promise<ConnectionSecrets> {
      const text = await keyring.open(sealName(connection), connection.sealed ?? '')
      if (!text.startsWith('{')) return { secret: new Secret(text) }
      const { secret, ...others } = readSecrets(text, 'of a connection')
      return { ...others, secret: new Secret(secret) }
    },
    /** Undefined: the connection does not exist, or `change` returned nothing. Throws `conflict`. */
    async update(
      id: string,
      change: (connection: Connection) => Connection | undefined,
    ): Promise<StoredConnection | undefined> {
      const changed = (stored: Stored | undefined) => {
        const next = stored && change(storedOf(stored).connection)
        if (!next) return undefined
        const { id: _, ...body } = next
        return body
      }
      const written = await CONNECTIONS.update(documents, id, changed, endOf)
      return written && storedOf(written)
    },
  }
}
