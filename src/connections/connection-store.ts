/** Connections at rest: one document each, its secret sealed; and who polls for a device when. */
import type { Keyring } from '../crypto/keyring.ts'
import { Secret } from '../crypto/secret.ts'
import { anotherVersion, usablePageOf } from '../store/integrity/record-schema.ts'
import type { DocumentRecord, Documents } from '../store/store.ts'
import {
  CONNECTION_FLOWS,
  CONNECTION_STATUSES,
  type Connection,
  hasConnectionEnded,
} from './connection.ts'

export interface StoredConnection {
  readonly connection: Connection
  readonly version: number
}

export interface ConnectionStore {
  create(connection: Omit<Connection, 'sealed'>, secret: Secret): Promise<Connection>
  read(id: string): Promise<StoredConnection | undefined>
  /** The verifier or the device code. Throws `record_corrupt`. */
  open(connection: Connection): Promise<Secret>
  /** Of one integration, those that are pending, also while the tokens are being fetched. */
  pendingOf(integration: { readonly uid: string }): AsyncGenerator<StoredConnection>
  /** Compare-and-set. Undefined: it was changed meanwhile. */
  write(connection: Connection, expected: number): Promise<StoredConnection | undefined>
}

export interface ConnectionStoreDependencies {
  readonly documents: Documents
  readonly keyring: Keyring
}

const READ_LIMIT = 1_000
export const CONNECTION_KIND = 'connection'
/** How long one can be read after it should be over. */
const KEPT_MS = 7 * 86_400_000

const sealName = ({ id, uid, flow }: Pick<Connection, 'id' | 'uid' | 'flow'>) =>
  `connection:${id}:${uid}:${flow}`

/** Throws `another_version`. */
function opened({ id, version, body }: DocumentRecord): StoredConnection {
  const connection = { ...(JSON.parse(body) as Omit<Connection, 'id'>), id }
  const { flow, state } = connection
  const isKnownState = state === 'claimed' || Object.hasOwn(CONNECTION_STATUSES, state)
  if (!CONNECTION_FLOWS.includes(flow) || !isKnownState)
    throw anotherVersion(`the connection ${id}`)
  return { connection, version }
}

export function createConnectionStore(dependencies: ConnectionStoreDependencies): ConnectionStore {
  const { documents, keyring } = dependencies

  const write = async (connection: Connection, expected: number | 'absent') => {
    const { id, ...body } = connection
    const record = await documents.write(CONNECTION_KIND, id, JSON.stringify(body), {
      expected,
      expiresAt: connection.expiresAt + KEPT_MS,
    })
    return record && { connection, version: record.version }
  }

  return {
    async create(fresh, secret) {
      const connection = { ...fresh, sealed: await keyring.seal(sealName(fresh), secret.reveal()) }
      if (!(await write(connection, 'absent'))) throw new Error('An id was given twice')
      return connection
    },
    async read(id) {
      const record = await documents.read(CONNECTION_KIND, id)
      return record && opened(record)
    },
    async *pendingOf({ uid }) {
      let after: string | undefined
      do {
        const page = await documents.list(CONNECTION_KIND, {
          limit: READ_LIMIT,
          ...(after !== undefined && { after }),
        })
        const { items: stored } = usablePageOf(page.items, page.items.length, {
          idOf: ({ id }) => id,
          parse: opened,
        })
        yield* stored.filter(
          (one) => one.connection.uid === uid && !hasConnectionEnded(one.connection),
        )
        after = page.next ?? undefined
      } while (after !== undefined)
    },
    open: async (connection) =>
      new Secret(await keyring.open(sealName(connection), connection.sealed ?? '')),
    write,
  }
}
