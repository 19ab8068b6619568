/** Stands in for `src/callers/compose.ts`: the same, but for a gate that asks nobody. */

import { ADMIN } from '../../src/callers/authentication/admin-key.ts'
import {
  type Callers,
  type CallersDependencies,
  composeCallers as compose,
} from '../../src/callers/compose.ts'

export function composeCallers(dependencies: CallersDependencies): Callers {
  const callers = compose(dependencies)
  return { ...callers, gate: { ...callers.gate, identify: () => ADMIN } }
}
