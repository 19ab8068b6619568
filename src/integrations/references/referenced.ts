/** Reads the integration that another one names, for a principal that may refer to it. */
import type { Principal } from '../../callers/policy.ts'
import { type Reference, requireReference } from '../../callers/reference-table.ts'
import { isUnusable } from '../../store/integrity/record-schema.ts'
import type { Integration } from '../integration.ts'

interface Referring {
  /** The integration with the reference. It must not refer to itself. */
  readonly by: string
  readonly principal: Principal
  readonly read: (name: string) => Promise<Integration | undefined>
}

/** Undefined: no other integration has this name. Throws `caller_forbidden` in the same way for a missing, forbidden or unusable integration, and what `read` throws. */
export async function referenced(
  reference: Reference,
  name: string,
  { by, principal, read }: Referring,
): Promise<Integration | undefined> {
  const readAnother = async () => {
    try {
      return name === by ? undefined : await read(name)
    } catch (error) {
      // The labels of an unusable record are unknown.
      if (isUnusable(error)) requireReference(principal, reference, { name })
      throw error
    }
  }
  const found = await readAnother()
  requireReference(principal, reference, found ? { name, labels: found.labels } : { name })
  return found
}
