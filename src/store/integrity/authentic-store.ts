import { BrokerError } from '../../errors/errors.ts'
import { isProvenKind } from '../document-kinds.ts'
import type { Documents, IntegrationContent, IntegrationRecords, Store } from '../store.ts'
import { authenticArchive } from './authentic-archive.ts'
import { authenticChanges } from './authentic-changes.ts'
import { authenticCustodies, authenticOutcomes } from './authentic-outcomes.ts'
import {
  createRecordAuthenticator,
  type RecordAuthenticator,
  type RecordAuthenticatorDependencies,
} from './record-authenticator.ts'
import { INTEGRATION, ofDocument, ofIntegration } from './record-mac.ts'
import type { SeenVersions } from './seen-versions.ts'

interface AuthenticStoreDependencies extends RecordAuthenticatorDependencies {
  /** The store of the engine. */
  readonly store: Store
}

/** Other writes are converted to compare-and-set with this many attempts. */
const ATTEMPTS = 100

export function authenticStore(dependencies: AuthenticStoreDependencies): Store {
  const { store, seen, corrupt } = dependencies
  const prover = createRecordAuthenticator(dependencies)
  const documents = authenticDocuments(store.documents, prover, { seen, corrupt })
  const integrations = authenticIntegrations(store.integrations, prover, seen)
  const outcomes = authenticOutcomes(store.outcomes, prover, { seen, corrupt })
  const custody = authenticCustodies(store.custody, prover, corrupt)

  return {
    ...store,
    ...{ integrations, outcomes, custody, documents },
    archive: authenticArchive(store, prover),
    changes: authenticChanges(store.changes, { documents, outcomes, custody, seen, corrupt }),
  }
}

function authenticIntegrations(
  records: IntegrationRecords,
  prover: RecordAuthenticator,
  seen: SeenVersions,
): IntegrationRecords {
  const proven = async <Found extends Parameters<typeof ofIntegration>[0] & { mac?: string }>(
    name: string,
    read: () => Promise<Found | undefined>,
  ): Promise<Found | undefined> => {
    const began = prover.begin()
    const found = await prover.one(INTEGRATION, name, began, read())
    if (!found) return undefined
    const proving = prover.prove(ofIntegration(found), found.mac, began)
    if (proving) await proving
    const { mac: _, ...rest } = found
    return rest as Found
  }

  /** Adds the code for the version that the record will have. */
  const coded = (name: string, uid: string, version: number, content: IntegrationContent) => ({
    ...content,
    mac: prover.code(ofIntegration({ name, uid, version, ...content })),
  })

  const written = async <Found extends { readonly version: number; readonly mac?: string }>(
    name: string,
    uid: string,
    write: Promise<Found | undefined>,
  ): Promise<Found | undefined> => {
    const record = await write
    if (!record) return undefined
    seen.note(INTEGRATION, name, uid, record.version, seen.now())
    const { mac: _, ...rest } = record
    return rest as Found
  }

  return {
    ...records,
    read: (name) => proven(name, () => records.read(name)),
    readSealed: (name) => proven(name, () => records.readSealed(name)),
    async list(page) {
      const began = prover.begin()
      return prover.page(INTEGRATION, began, await records.list(page), ofIntegration)
    },
    create: (name, uid, content) =>
      written(name, uid, records.create(name, uid, coded(name, uid, 1, content))),
    change(name, { uid, version }, content) {
      const next = coded(name, uid, version + 1, content)
      return written(name, uid, records.change(name, { uid, version }, next))
    },
    async remove(name, expected) {
      const removed = await records.remove(name, expected)
      if (removed) seen.absent(INTEGRATION, name, seen.now())
      return removed
    },
  }
}

function authenticDocuments(
  documents: Documents,
  prover: RecordAuthenticator,
  { seen, corrupt }: Pick<AuthenticStoreDependencies, 'seen' | 'corrupt'>,
): Documents {
  type Write = Documents['write']

  const writeOver = async (
    expected: number | 'absent',
    ...[kind, id, body, options]: Parameters<Write>
  ): ReturnType<Write> => {
    const version = expected === 'absent' ? 1 : expected + 1
    const mac = prover.code(ofDocument(kind, { id, version, body }))
    const record = await documents.write(kind, id, body, { ...options, expected, mac })
    if (!record) return undefined
    seen.note(kind, id, '', version, seen.now())
    return { id, version: record.version, body }
  }

  return {
    async read(kind, id) {
      if (!isProvenKind(kind)) return documents.read(kind, id)
      const began = prover.begin()
      const record = await prover.one(kind, id, began, documents.read(kind, id))
      if (!record) return undefined
      const { mac, ...rest } = record
      const proving = prover.prove(ofDocument(kind, rest), mac, began)
      if (proving) await proving
      return rest
    },
    async list(kind, page) {
      if (!isProvenKind(kind)) return documents.list(kind, page)
      const began = prover.begin()
      const read = await documents.list(kind, page)
      return prover.page(kind, began, read, (record) => ofDocument(kind, record))
    },
    async write(kind, id, body, options) {
      if (!isProvenKind(kind)) return documents.write(kind, id, body, options)
      const { expected } = options
      if (expected !== 'any') return writeOver(expected, kind, id, body, options)
      for (let tries = 0; tries < ATTEMPTS; tries += 1) {
        const former = (await documents.read(kind, id))?.version ?? 'absent'
        const written = await writeOver(former, kind, id, body, options)
        if (written) return written
      }
      throw new BrokerError(
        'store_unavailable',
        'Another writer changes the same record repeatedly',
      )
    },
    async remove(kind, id, expected) {
      const removed = await documents.remove(kind, id, expected)
      if (removed) seen.absent(kind, id, seen.now())
      return removed
    },
    unfit(kind, { id, version }) {
      if (isProvenKind(kind)) corrupt.met({ kind, name: id, why: 'unreadable', version })
    },
  }
}
