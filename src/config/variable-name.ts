/** Detects `VALETKEY_…` variables that are not settings and suggests the intended name. */
import { spellingDistance } from '../runtime/spelling.ts'
import { SETTINGS } from './setting.ts'

const PREFIX = 'VALETKEY_'
const DISTANCE_MAX = 3

/** Of the command line, which calls a broker. The service does not read them, so that `VALETKEY_KEY` is no misspelt `VALETKEY_KEYRING`. */
const OF_COMMANDS = ['VALETKEY_URL', 'VALETKEY_KEY', 'VALETKEY_KEY_FILE', 'VALETKEY_CONTEXT']

/** Used only by the project's tests. */
const ELSEWHERE = ['VALETKEY_TEST_NO_INSTALL']

/** Variables that Kubernetes adds for a Service whose name starts with `valetkey`. */
const SERVICE_LINK =
  /^VALETKEY_(?:[A-Z0-9_]+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)$/
const SERVICE_LINK_VALUE = /^(?:tcp|udp|sctp):\/\/[0-9a-f.:[\]]+:[0-9]{1,5}$/i

const VARIABLES: readonly string[] = Object.values(SETTINGS).flatMap(({ variable, secret }) =>
  secret ? [variable, `${variable}_FILE`] : [variable],
)

export const isServiceLink = (name: string, value: string): boolean =>
  SERVICE_LINK.test(name) || (name.endsWith('_PORT') && SERVICE_LINK_VALUE.test(value))

/** One sentence for each variable with the prefix that is not a setting. `serves`: of the service, not of a command. */
export function unknownVariables(
  env: Readonly<Record<string, string | undefined>>,
  serves: boolean,
): string[] {
  return Object.entries(env).flatMap(([name, value]) => {
    const isUnknown =
      name.startsWith(PREFIX) &&
      value !== undefined &&
      !VARIABLES.includes(name) &&
      !ELSEWHERE.includes(name) &&
      (serves || !OF_COMMANDS.includes(name)) &&
      !isServiceLink(name, value)
    if (!isUnknown) return []
    const meant = closest(name)
    const shown = name.slice(0, 80).replace(/[^\w]/g, '?')
    return [`${shown}: is not a setting${meant === undefined ? '' : `; did you mean ${meant}?`}`]
  })
}

function closest(name: string): string | undefined {
  const longer = VARIABLES.find((variable) => variable.startsWith(`${name}_`))
  const [best] = VARIABLES.map((variable) => ({
    variable,
    steps: spellingDistance(name, variable, DISTANCE_MAX),
  }))
    .filter(({ steps }) => steps <= DISTANCE_MAX)
    .toSorted((one, other) => one.steps - other.steps)
  return longer ?? best?.variable
}
