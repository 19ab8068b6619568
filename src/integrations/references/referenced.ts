/** The integration that a member of another one names, for those who may refer to it. */
import type { Principal } from '../../callers/policy.ts'
import { type Reference, requireReference } from '../../callers/reference-table.ts'
import { isUnusable } from '../../store/integrity/record-schema.ts'
import type { Integration } from '../integration.ts'

interface Referring {
  /** The one that refers; none refers to itself. */
  readonly by: string
  readonly principal: Principal
  readonly read: (name: string) => Promise<Integration | undefined>
}

/** Undefined: there is no other of this name. Throws `caller_forbidden`, the same whether there is one or not, or one that cannot be used; and what `read` throws. */
export async function referenced(
  reference: Reference,
  name: string,
  { by, principal, read }: Referring,
): Promise<Integration | undefined> {
  const readAnother = async () => {
    try {
      return name === by ? undefined : await read(name)
    } catch (error) {
      // Its labels are not known.
      if (isUnusable(error)) requireReference(principal, reference, { name })
      throw error
    }
  }
  const found = await readAnother()
  requireReference(principal, reference, found ? { name, labels: found.labels } : { name })
  return found
}
