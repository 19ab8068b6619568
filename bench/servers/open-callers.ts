/** Stands in for `src/app/callers.ts`: the same, but for a gate that asks nobody. */
import {
  type Callers,
  type CallersDependencies,
  composeCallers as compose,
} from '../../src/app/callers.ts'
import { ADMIN } from '../../src/callers/authentication/admin-key.ts'

export function composeCallers(dependencies: CallersDependencies): Callers {
  const callers = compose(dependencies)
  return { ...callers, gate: { ...callers.gate, identify: () => ADMIN } }
}
