/** Stores integrations: a public definition that a hit may read, and secrets that only a mint or a change opens. */
import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import {
  CREDENTIAL_STATES,
  CREDENTIAL_TYPES,
  type CredentialSecrets,
  keepSecrets,
} from '../credentials/credential.ts'
import { withDpopKeys } from '../credentials/dpop-keys.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { StoredDpopKey } from '../dpop/dpop-key.ts'
import { BrokerError } from '../errors/errors.ts'
import { GRANTS } from '../grants/index.ts'
import type { Emitter } from '../runtime/events.ts'
import { usableOf } from '../store/integrity/record-schema.ts'
import { type BodyOf, bodyReader } from '../store/record-body.ts'
import type { Page, PageQuery } from '../store/records.ts'
import type {
  IntegrationContent,
  IntegrationRecord,
  IntegrationRecords,
  SealedIntegrationRecord,
} from '../store/store.ts'
import { type Integration, presentsRefreshToken } from './integration.ts'
import type { IntegrationEvents } from './integration-events.ts'

export interface SealedIntegration {
  readonly integration: Integration
  /** Stored digests for which the current leases may have been minted. */
  readonly digests: readonly string[]
  /** Opens the secrets. Throws `record_corrupt`. */
  open(): Promise<CredentialSecrets>
  /** What it is opened from: with it, the store gives it again (`sealedAs`). */
  readonly seal: Seal
}

export interface IntegrationWrite {
  readonly integration: Integration
  readonly digests: readonly string[]
  readonly secrets: CredentialSecrets
}

export type IntegrationStore = ReturnType<typeof createIntegrationStore>

export interface IntegrationStoreDependencies {
  readonly records: IntegrationRecords
  readonly keyring: Keyring
  readonly events: Pick<Emitter<IntegrationEvents>, 'emitted'>
  /** Whether this replica knows that every record of the store needs an authentication code. A seal states it. Default: no. */
  readonly requiresCodes?: () => boolean
}

/** Version of the stored text. A reader refuses an unknown version. */
const SCHEMA = 1

type Stored = Omit<Integration, 'name' | 'uid' | 'version'> & { readonly schema: number }

/** Members that affect behaviour. Other members are kept unchanged. */
const readDefinition = bodyReader(
  Type.Unsafe<Stored>(
    Type.Object({
      schema: Type.Integer({ minimum: 1, maximum: SCHEMA }),
      grant: Type.Object({ type: Type.Enum(GRANTS.map(({ type }) => type)) }),
      credentials: Type.Array(
        Type.Object({
          id: Type.String(),
          type: Type.Enum(CREDENTIAL_TYPES),
          state: Type.Enum(CREDENTIAL_STATES),
        }),
      ),
      loginUrl: Type.String(),
      labels: Type.Record(Type.String(), Type.String()),
    }),
  ),
)

/** The seal also binds the definition, so that an attacker with write access to the store cannot send a secret to another host. */
const Sealed = Type.Object({
  secrets: Type.Unsafe<CredentialSecrets>(
    Type.Object({
      byId: Type.Record(Type.String(), Type.Object({ type: Type.String() })),
      known: Type.Array(Type.String()),
      dpopKeys: Type.Optional(Type.Record(Type.String(), StoredDpopKey)),
    }),
  ),
  definition: Type.String(),
  /** The record was sealed when every record needed a code. Only a holder of the keyring can remove this. */
  requiresCodes: Type.Optional(Type.Literal(true)),
})

type Sealed = BodyOf<typeof Sealed>

const readSeal = bodyReader(Sealed)

/** What opening the secrets of an integration needs. It does not keep the text of the definition. */
interface Seal {
  /** Compact JWE. */
  readonly secrets: string
  /** Digest of the definition that was read. */
  readonly definition: string
}

const digestOf = (definition: string) => createHash('sha256').update(definition).digest('base64url')

const sealName = ({ name, uid }: Pick<Integration, 'name' | 'uid'>) => `integration:${name}:${uid}`

/** The public half of a record. Throws `record_corrupt` if it cannot be read, and `another_version` if a newer release wrote something unknown. */
export function integrationOf({ name, uid, version, definition }: IntegrationRecord): Integration {
  const { schema: _, ...stored } = readDefinition(definition, `of integration ${name}`)
  return { ...stored, name, uid, version }
}

/** Whether the secrets were sealed for this definition. A record without secrets proves nothing. Throws `record_corrupt` if they do not open. */
export async function isSealedDefinition(
  keyring: Pick<Keyring, 'open'>,
  { name, uid, secrets, definition }: SealedIntegrationRecord,
): Promise<boolean> {
  if (secrets === '') return true
  const sealed = await openSeal(keyring, { name, uid, secrets })
  return sealed.definition === digestOf(definition)
}

/** Whether the record was sealed when every record needed a code. Throws `record_corrupt` if the secrets do not open. */
export async function sealRequiresCodes(
  keyring: Pick<Keyring, 'open'>,
  record: Pick<SealedIntegrationRecord, 'name' | 'uid' | 'secrets'>,
): Promise<boolean> {
  return record.secrets !== '' && (await openSeal(keyring, record)).requiresCodes === true
}

/** Seals the same secrets with the mark that every record needs a code. Undefined: there are no secrets, or the mark is there. Throws `record_corrupt`. */
export async function sealedToRequireCodes(
  keyring: Pick<Keyring, 'open' | 'seal'>,
  record: Pick<SealedIntegrationRecord, 'name' | 'uid' | 'secrets'>,
): Promise<string | undefined> {
  if (record.secrets === '') return undefined
  const sealed = await openSeal(keyring, record)
  if (sealed.requiresCodes) return undefined
  const next: Sealed = { ...sealed, requiresCodes: true }
  return keyring.seal(sealName(record), JSON.stringify(next))
}

async function openSeal(
  keyring: Pick<Keyring, 'open'>,
  { name, uid, secrets }: Pick<SealedIntegrationRecord, 'name' | 'uid' | 'secrets'>,
): Promise<Sealed> {
  const text = await keyring.open(sealName({ name, uid }), secrets)
  return readSeal(text, `of integration ${name}`)
}

export function createIntegrationStore({
  records,
  keyring,
  events,
  requiresCodes = () => false,
}: IntegrationStoreDependencies) {
  const written = async (record: IntegrationRecord | undefined) => {
    if (!record) return undefined
    const { name, rev } = record
    const integration = integrationOf(record)
    await events.emitted('integration.written', { name, written: { rev, integration } })
    return integration
  }

  const contentOf = async (write: IntegrationWrite): Promise<IntegrationContent> => {
    const { name: _name, uid: _uid, version: _version, ...definition } = write.integration
    const stored: Stored = { schema: SCHEMA, ...definition }
    const text = JSON.stringify(stored)
    const { integration } = write
    // The custody of a refresh token has the key that it is bound to.
    const isElsewhere = presentsRefreshToken(integration)
    const secrets = withDpopKeys(integration, write.secrets, isElsewhere)
    const sealed: Sealed = {
      ...{ secrets, definition: digestOf(text) },
      ...(requiresCodes() && { requiresCodes: true }),
    }
    return {
      digests: write.digests,
      definition: text,
      secrets: await keyring.seal(sealName(write.integration), JSON.stringify(sealed)),
    }
  }

  const open = async ({ integration, seal }: Omit<SealedIntegration, 'open'>) => {
    const { name, uid, credentials } = integration
    const { secrets, definition } = await openSeal(keyring, { name, uid, secrets: seal.secrets })
    if (definition !== seal.definition) {
      throw new BrokerError(
        'record_corrupt',
        `The definition of integration ${name} is not the one that was sealed`,
      )
    }
    return keepSecrets(secrets, credentials)
  }

  const sealedAs = (parts: Omit<SealedIntegration, 'open'>): SealedIntegration => ({
    ...parts,
    open: () => open(parts),
  })

  const sealedOf = (record: SealedIntegrationRecord): SealedIntegration => {
    const { secrets, definition, digests } = record
    const seal: Seal = { secrets, definition: digestOf(definition) }
    return sealedAs({ integration: integrationOf(record), digests, seal })
  }

  return {
    async read(name: string): Promise<Integration | undefined> {
      const record = await records.read(name)
      return record && integrationOf(record)
    },
    async readSealed(name: string): Promise<SealedIntegration | undefined> {
      const record = await records.readSealed(name)
      return record && sealedOf(record)
    },
    /** What was read before, of parts that were kept. */
    sealedAs,
    list: async (page: PageQuery): Promise<Page<Integration>> =>
      usableOf(await records.list(page), { idOf: ({ name }) => name, parse: integrationOf }),
    /** Undefined: the name exists. */
    async create(write: IntegrationWrite): Promise<Integration | undefined> {
      const { name, uid } = write.integration
      return written(await records.create(name, uid, await contentOf(write)))
    },
    /** Compare-and-set on `expected`. Undefined: the integration was changed or removed meanwhile. */
    async change(
      expected: Pick<Integration, 'uid' | 'version'>,
      write: IntegrationWrite,
    ): Promise<Integration | undefined> {
      const { uid, version } = expected
      const content = await contentOf(write)
      return written(await records.change(write.integration.name, { uid, version }, content))
    },
    async remove({
      name,
      uid,
      version,
    }: Pick<Integration, 'name' | 'uid' | 'version'>): Promise<boolean> {
      const removed = await records.remove(name, { uid, version })
      if (removed) await events.emitted('integration.written', { name, written: undefined })
      return removed
    },
    /** Makes sure that the last read is as durable as an acknowledged change. Throws `store_unavailable`. */
    confirm: (): Promise<void> => records.confirm(),
  }
}
