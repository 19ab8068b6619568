/** Archive with authentication codes: a backup omits unverified records, and a restore creates new codes. */
import { BrokerError } from '../../errors/errors.ts'
import type { Archive, Put } from '../archive.ts'
import type { Store } from '../store.ts'
import type { RecordAuthenticator } from './record-authenticator.ts'
import { INTEGRATION, ofDocument, ofIntegration } from './record-mac.ts'
import { isCorrupt } from './record-schema.ts'

/** Most attempts if another writer changes a record at the same time. */
const ATTEMPTS = 20

export function authenticArchive(
  { archive, documents, integrations }: Pick<Store, 'archive' | 'documents' | 'integrations'>,
  prover: RecordAuthenticator,
): Archive {
  const putAll = async (attempt: () => Promise<boolean>): Promise<boolean> => {
    for (let tries = 0; tries < ATTEMPTS; tries += 1) if (await attempt()) return true
    throw new BrokerError('store_unavailable', 'Other writers change the same records repeatedly', {
      retryAfterMs: 1_000,
    })
  }

  return {
    ...archive,
    async integrations(page) {
      const began = prover.begin()
      return prover.page(INTEGRATION, began, await archive.integrations(page), ofIntegration)
    },
    async documents(kind, page) {
      const began = prover.begin()
      const read = await archive.documents(kind, page)
      return prover.page(kind, began, read, (one) =>
        ofDocument(kind, { ...one, version: one.version ?? 0 }),
      )
    },
    putIntegrations: (records, custody) =>
      putAll(async () => {
        const coded = await all(records, async (record) => {
          const becomes = await next(record, integrations.read(record.name))
          const mac = prover.code(ofIntegration({ ...record, version: becomes }))
          return { ...record, becomes, mac }
        })
        return archive.putIntegrations(coded, custody)
      }),
    putDocuments: (kind, records) =>
      putAll(async () => {
        const coded = await all(records, async (record) => {
          const becomes = await next(record, documents.read(kind, record.id))
          const mac = prover.code(ofDocument(kind, { ...record, version: becomes }))
          return { ...record, becomes, mac }
        })
        return archive.putDocuments(kind, coded)
      }),
  }
}

const all = <Record>(
  records: readonly Put<Record>[],
  code: (record: Put<Record>) => Promise<Put<Record>>,
): Promise<readonly Put<Record>[]> => Promise.all(records.map(code))

/** A version above both the given and the existing one. */
async function next(
  { version = 0 }: { readonly version?: number },
  read: Promise<{ readonly version: number } | undefined>,
): Promise<number> {
  try {
    return Math.max(version, (await read)?.version ?? 0) + 1
  } catch (error) {
    if (isCorrupt(error)) return version + 1
    throw error
  }
}
