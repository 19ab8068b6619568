/** Lists every sealed or authenticated record of the store by pages, with its key, and replaces its seal or code. */
import { sealedWith } from '../crypto/keyring.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Archive } from '../store/archive.ts'
import type { Custodies } from '../store/custody.ts'
import { parseMac } from '../store/integrity/record-mac.ts'
import { jsonMembersOf, sealedIn } from '../store/record-body.ts'
import type { Page, PageQuery } from '../store/records.ts'
import type { MacPlace, Seals } from '../store/seals.ts'
import type { Documents, IntegrationRecords, Outcomes } from '../store/store.ts'
import type { RecordProver } from './record-prover.ts'

export const SEALED = {
  credentials: 'the keys and secrets of an integration',
  refresh_tokens: 'the refresh token of an integration',
  leases: 'an access token that is held',
  revocations: 'an access token that Salesforce must still end',
  connections: 'what a pending connection needs to be finished',
  macs: 'the code that proves a record which is not sealed',
} as const

export type SealedKind = keyof typeof SEALED

/** Seals text again. Throws `record_corrupt`. */
type Reseal = (jwe: string) => Promise<string>

export interface SealedRecord {
  readonly kind: SealedKind
  /** The name of the integration, or the id of the document. */
  readonly id: string
  /** The id of its key. Undefined: it has no valid seal. */
  readonly keyId: string | undefined
  /** Reads it and seals it again. `changed`: it was written meanwhile. */
  replace(reseal: Reseal): Promise<'replaced' | 'changed' | 'gone'>
}

/** One listing of the store. Records that are written during the listing may be missing. */
export interface SealedListing {
  readonly name: string
  /** `limit` counts integrations or documents, 1 to 1000. */
  page(page: PageQuery): Promise<Page<SealedRecord>>
}

const swapped = (isSwapped: boolean) => (isSwapped ? 'replaced' : 'changed')

export function createSealedRecords(dependencies: {
  readonly store: {
    readonly integrations: Pick<IntegrationRecords, 'readSealed'>
    readonly outcomes: Pick<Outcomes, 'look'>
    readonly custody: Pick<Custodies, 'read'>
    readonly documents: Pick<Documents, 'read' | 'write'>
    readonly archive: Pick<Archive, 'documents'>
    readonly seals: Seals
  }
  /** Kinds of documents whose body is JSON with a member `sealed`. */
  readonly documents: { readonly [Kind in 'revocations' | 'connections']: string }
  /** All kinds of documents. */
  readonly kinds: readonly string[]
  readonly prover: Pick<RecordProver, 'renew'>
}): readonly SealedListing[] {
  const { integrations, outcomes, custody, documents, archive, seals } = dependencies.store

  const credentials = (name: string, keyId: string | undefined): SealedRecord => ({
    ...{ kind: 'credentials', id: name, keyId },
    async replace(reseal) {
      const record = await integrations.readSealed(name)
      if (!record || record.secrets === '') return 'gone'
      const { secrets } = record
      return swapped(await seals.swapSecrets(name, secrets, await reseal(secrets)))
    },
  })

  const lease = (name: string, keyId: string | undefined): SealedRecord => ({
    ...{ kind: 'leases', id: name, keyId },
    async replace(reseal) {
      const held = (await outcomes.look(name))?.outcome.lease
      if (!held) return 'gone'
      return swapped(await seals.swapLease(name, held.body, await reseal(held.body)))
    },
  })

  const refreshToken = (name: string, keyId: string | undefined): SealedRecord => ({
    ...{ kind: 'refresh_tokens', id: name, keyId },
    async replace(reseal) {
      const token = (await custody.read(name)).record?.token ?? ''
      if (token === '') return 'gone'
      return swapped(await seals.swapRefreshToken(name, token, await reseal(token)))
    },
  })

  const document = (
    kind: SealedKind,
    of: string,
    id: string,
    expiresAt: number | null,
    keyId: string | undefined,
  ) =>
    ({
      ...{ kind, id, keyId },
      async replace(reseal) {
        const record = await documents.read(of, id)
        const sealed = record && sealedIn(record.body)
        if (!record || sealed === undefined) return 'gone'
        const body = JSON.stringify({ ...jsonMembersOf(record.body), sealed: await reseal(sealed) })
        const written = await documents.write(of, id, body, {
          expected: record.version,
          ...(expiresAt !== null && { expiresAt }),
        })
        return swapped(written !== undefined)
      },
    }) satisfies SealedRecord

  const code = (place: MacPlace, id: string, mac: string): SealedRecord => ({
    ...{ kind: 'macs', id, keyId: parseMac(mac)?.keyId },
    async replace() {
      const result = await dependencies.prover.renew(place, id)
      if (result === 'changed') return 'changed'
      if (result === 'gone' || result === 'current') return 'gone'
      if (result === 'renewed') return 'replaced'
      throw new BrokerError('record_corrupt', `The record ${id} does not verify`)
    },
  })

  return [
    {
      name: 'integrations',
      async page(page) {
        const { items, next } = await seals.list(page)
        const records = items.flatMap(({ name, secrets, ...heads }) => [
          ...(secrets === '' ? [] : [credentials(name, sealedWith(secrets))]),
          ...(heads.refreshToken === null
            ? []
            : [refreshToken(name, sealedWith(heads.refreshToken))]),
          ...(heads.lease === null ? [] : [lease(name, sealedWith(heads.lease))]),
        ])
        return { items: records, next }
      },
    },
    ...Object.entries(dependencies.documents).map(([kind, of]) => ({
      name: of,
      async page(page: PageQuery) {
        const { items, next } = await archive.documents(of, page)
        const records = items.flatMap(({ id, body, expiresAt }) => {
          const sealed = sealedIn(body)
          if (sealed === undefined) return []
          return [document(kind as SealedKind, of, id, expiresAt, sealedWith(sealed))]
        })
        return { items: records, next }
      },
    })),
    ...['integrations' as const, ...dependencies.kinds.map((kind) => ({ kind }))].map((place) => ({
      name: `macs of ${place === 'integrations' ? place : place.kind}`,
      async page(page: PageQuery) {
        const { items, next } = await seals.macs(place, page)
        const records = items.flatMap(({ id, mac }) => (mac === '' ? [] : [code(place, id, mac)]))
        return { items: records, next }
      },
    })),
  ]
}
