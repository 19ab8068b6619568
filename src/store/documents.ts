/** Typed documents: each kind has a schema, which is checked at each read, and one way to change a body. */
import type { TSchema } from 'typebox'
import { lostRace, untilWritten } from './compare-and-set.ts'
import { isCorrupt, usableOf } from './integrity/record-schema.ts'
import { type BodyOf, bodyReader } from './record-body.ts'
import { type DocumentWrite, type PageQuery, pages } from './records.ts'
import type { DocumentRecord, Documents } from './store.ts'

export interface StoredDocument<Body> {
  readonly id: string
  /** See {@link DocumentRecord}. */
  readonly version: number
  readonly body: Body
}

type WriteOptions = Omit<Parameters<Documents['write']>[3], 'mac'>

/** Reads of one record throw `record_corrupt` and `another_version`. Lists name such records instead. */
export function documentKind<Schema extends TSchema>(of: {
  readonly kind: string
  readonly schema: Schema
  /** Whether `update` treats a corrupt document as absent, and replaces it. Default: no. */
  readonly replacesCorrupt?: boolean
}) {
  type Body = BodyOf<Schema>
  type Stored = StoredDocument<Body>
  const { kind, schema, replacesCorrupt = false } = of
  const readBody = bodyReader(schema)
  const nameOf = (id: string) => `${kind} ${id}`

  /** For a record that was read in another way. */
  const opened = ({ id, version, body }: DocumentRecord): Stored => ({
    ...{ id, version, body: readBody(body, nameOf(id)) },
  })

  /** Notes a corrupt body with the other corrupt records. */
  const openedIn = (documents: Pick<Documents, 'unfit'>, record: DocumentRecord): Stored => {
    try {
      return opened(record)
    } catch (error) {
      if (isCorrupt(error)) documents.unfit?.(kind, record)
      throw error
    }
  }

  const read = async (documents: Pick<Documents, 'read' | 'unfit'>, id: string) => {
    const record = await documents.read(kind, id)
    return record && openedIn(documents, record)
  }

  const list = async (documents: Pick<Documents, 'list' | 'unfit'>, page: PageQuery) =>
    usableOf(await documents.list(kind, page), {
      idOf: ({ id }) => id,
      parse: (record) => openedIn(documents, record),
    })

  /** All readable documents, in order of id. The others are noted as corrupt. */
  async function* all(documents: Pick<Documents, 'list'>): AsyncGenerator<Stored> {
    for await (const { items } of pages((page) => list(documents, page))) yield* items
  }

  type Write = [Pick<Documents, 'write'>, id: string, body: Body, options: WriteOptions]

  /** For work that any replica may do. Undefined: another replica was faster. */
  const claim = async (...[documents, id, body, options]: Write): Promise<Stored | undefined> => {
    const record = await documents.write(kind, id, JSON.stringify(body), options)
    return record && { id, version: record.version, body }
  }

  /** Throws `conflict` if another writer was faster. */
  const write = async (...of: Write): Promise<Stored> => {
    const written = await claim(...of)
    if (!written) throw lostRace(nameOf(of[1]))
    return written
  }

  /** Writes the result of `change` for the current document. Undefined: writes nothing. Repeats it if another writer was faster, and finally throws `conflict`. */
  const update = (
    documents: Pick<Documents, 'read' | 'write'>,
    id: string,
    change: (stored: Stored | undefined) => Body | undefined | Promise<Body | undefined>,
    expiresAt?: (body: Body) => number,
  ): Promise<Stored | undefined> =>
    untilWritten(nameOf(id), async () => {
      const found = await read(documents, id).catch((error: unknown) => {
        if (replacesCorrupt && isCorrupt(error)) return 'corrupt' as const
        throw error
      })
      const stored = found === 'corrupt' ? undefined : found
      const body = await change(stored)
      if (body === undefined) return undefined
      const options: WriteOptions = {
        expected: found === 'corrupt' ? 'any' : (stored?.version ?? 'absent'),
        ...(expiresAt && { expiresAt: expiresAt(body) }),
      }
      return (await claim(documents, id, body, options)) ?? 'lost'
    })

  /** For a document that is written with an outcome. */
  const within = (id: string, body: Body, expected: DocumentWrite['expected']): DocumentWrite => ({
    ...{ kind, id, expected, body: JSON.stringify(body) },
  })

  /** False: the document does not exist or has another version. */
  const erase = (
    documents: Pick<Documents, 'remove'>,
    id: string,
    expected: number | 'any' = 'any',
  ) => documents.remove(kind, id, expected)

  return { kind, opened, read, list, all, claim, write, within, update, erase }
}
