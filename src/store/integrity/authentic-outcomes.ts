/**
 * Outcomes and refresh tokens with authentication. Sealed tokens need no code. A refusal has its
 * code as the last member of its text, which older releases ignore; an invalid one is treated as
 * absent. For refresh tokens, the replica remembers the last family.
 */

import type { Custodies } from '../custody.ts'
import type { Outcomes, RefusalRecord } from '../store.ts'
import type { CorruptRecords } from './corrupt-records.ts'
import type { RecordAuthenticator } from './record-authenticator.ts'
import { type AuthenticRecord, CUSTODY, INTEGRATION, ofIntegration, REFUSAL } from './record-mac.ts'
import { isCorrupt } from './record-schema.ts'

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
  corrupt: CorruptRecords,
): Outcomes {
  const proven = async (
    name: string,
    uid: string,
    stored: RefusalRecord,
  ): Promise<RefusalRecord | undefined> => {
    const code = CODE.exec(stored.body)
    const body = code ? `${stored.body.slice(0, code.index)}}` : stored.body
    const refusal = { ...stored, body }
    try {
      await prover.prove(ofRefusal(name, uid, refusal), code?.[1], prover.begin())
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
      await prover.prove(ofIntegration(integration), mac, began)
      const { refusal: stored, ...outcome } = look.outcome
      if (!stored) return { ...look, integration }
      const refusal = await proven(name, integration.uid, stored)
      return { ...look, integration, outcome: { ...outcome, ...(refusal && { refusal }) } }
    },
    save(name, expected, change) {
      const { refusal } = change
      if (!refusal?.body.endsWith('}')) return outcomes.save(name, expected, change)
      const mac = prover.code(ofRefusal(name, expected.uid, refusal))
      const body = `${refusal.body.slice(0, -1)},"mac":"${mac}"}`
      return outcomes.save(name, expected, { ...change, refusal: { ...refusal, body } })
    },
  }
}

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
