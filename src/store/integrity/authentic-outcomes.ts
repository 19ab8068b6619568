/**
 * Outcomes and refresh tokens with authentication. Sealed tokens need no code. A refusal has its
 * code as the last member of its text, which older releases ignore; an invalid one is treated as
 * absent. For refresh tokens, the replica remembers the last family.
 */

import type { Custodies } from '../custody.ts'
import { isProvenKind } from '../document-kinds.ts'
import type { DocumentWrite } from '../records.ts'
import type { Outcomes, RefusalRecord } from '../store.ts'
import type { CorruptRecords } from './corrupt-records.ts'
import type { RecordAuthenticator } from './record-authenticator.ts'
import {
  type AuthenticRecord,
  CUSTODY,
  INTEGRATION,
  ofDocument,
  ofIntegration,
  REFUSAL,
} from './record-mac.ts'
import { isCorrupt } from './record-schema.ts'
import type { SeenVersions } from './seen-versions.ts'

/** The last member of an object. */
const CODE = /,"mac":"([a-zA-Z0-9:._-]*)"\}$/

const ofRefusal = (
  name: string,
  uid: string,
  { body, version, until }: RefusalRecord,
): AuthenticRecord => ({
  ...{ kind: REFUSAL, name, uid, version },
  content: [body, String(until)],
})

export function authenticOutcomes(
  outcomes: Outcomes,
  prover: RecordAuthenticator,
  { seen, corrupt }: { readonly seen: SeenVersions; readonly corrupt: CorruptRecords },
): Outcomes {
  /** Adds the code for the version that the document will have. */
  const coded = (document: DocumentWrite): DocumentWrite => {
    const { kind, id, body } = document
    if (!isProvenKind(kind)) return document
    return {
      ...document,
      mac: prover.code(ofDocument(kind, { id, version: nextOf(document), body })),
    }
  }

  const sealed = (name: string, uid: string, refusal: RefusalRecord): RefusalRecord => {
    if (!refusal.body.endsWith('}')) return refusal
    const mac = prover.code(ofRefusal(name, uid, refusal))
    return { ...refusal, body: `${refusal.body.slice(0, -1)},"mac":"${mac}"}` }
  }

  const proven = async (
    name: string,
    uid: string,
    stored: RefusalRecord,
  ): Promise<RefusalRecord | undefined> => {
    const code = CODE.exec(stored.body)
    const body = code ? `${stored.body.slice(0, code.index)}}` : stored.body
    const refusal = { ...stored, body }
    try {
      const proving = prover.prove(ofRefusal(name, uid, refusal), code?.[1], prover.begin())
      if (proving) await proving
      return refusal
    } catch (error) {
      if (isCorrupt(error)) return undefined
      throw error
    }
  }

  return {
    ...outcomes,
    async look(name) {
      const began = prover.begin()
      const look = await prover.one(INTEGRATION, name, began, outcomes.look(name))
      // A refusal that does not verify ends like any other.
      if (!look?.outcome.refusal) corrupt.over(REFUSAL, name)
      if (!look) return undefined
      const { mac, ...integration } = look.integration
      const proving = prover.prove(ofIntegration(integration), mac, began)
      if (proving) await proving
      const { refusal: stored, ...outcome } = look.outcome
      if (!stored) return { ...look, integration }
      const refusal = await proven(name, integration.uid, stored)
      return { ...look, integration, outcome: { ...outcome, ...(refusal && { refusal }) } }
    },
    async save(name, expected, { refusal, documents = [], ...rest }) {
      const saved = await outcomes.save(name, expected, {
        ...rest,
        ...(refusal !== undefined && { refusal: refusal && sealed(name, expected.uid, refusal) }),
        ...(documents.length > 0 && { documents: documents.map(coded) }),
      })
      if (!saved.saved) return saved
      for (const document of documents) {
        seen.note(document.kind, document.id, '', nextOf(document), seen.now())
      }
      return saved
    },
  }
}

const nextOf = ({ expected }: DocumentWrite): number => (expected === 'absent' ? 1 : expected + 1)

export function authenticCustodies(
  custody: Custodies,
  prover: RecordAuthenticator,
  corrupt: CorruptRecords,
): Custodies {
  return {
    ...custody,
    async read(name) {
      const began = prover.begin()
      const look = await custody.read(name)
      const { record } = look
      if (!record) {
        corrupt.over(CUSTODY, name)
        prover.absent(CUSTODY, name, began)
        return look
      }
      const { uid, family, g } = record
      const seen = { kind: CUSTODY, name, uid: `${uid}/${family}`, version: g + 1 }
      await prover.keepsPace(seen, began)
      return look
    },
  }
}
