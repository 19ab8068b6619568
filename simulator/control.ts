import { type Answer, jsonAnswer } from './answer.ts'
import { type AppChanges, DEFAULT_APP } from './apps.ts'
import { FAULT_KINDS, type FaultHandle, type FaultRule } from './faults.ts'
import type { NewAppSeed, NewJwtApp, SessionFilter, Simulator } from './handle.ts'
import type { ControlHandler } from './handler.ts'
import type { NewOrg, NewUser, OrgChanges, UserChanges } from './orgs.ts'
import { REFUSALS } from './refusals.ts'
import { REST_REFUSALS } from './rest-refusals.ts'
import { DEFAULT_SETTINGS, type Settings } from './settings.ts'
import { fromWire, toWire } from './wire-names.ts'

/** The simulator's own API under `/__simulator` on every host, for other processes. It has the calls of the typed API, with members in `snake_case`. Its requests are not logged. */
interface Route {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** A part in braces is a parameter. */
  readonly path: string
  /** The body is not validated, because only tests call this. */
  readonly run: (simulator: Simulator, called: Called) => unknown
}

interface Called {
  /** The parameter of the path. */
  readonly name: string
  readonly body: unknown
}

const ROUTES: readonly Route[] = [
  { method: 'GET', path: '', run: (simulator) => summary(simulator) },
  { method: 'POST', path: 'orgs', run: (to, { body }) => to.addOrg(body as NewOrg) },
  {
    method: 'PATCH',
    path: 'orgs/{id}',
    run: (to, { name, body }) => to.updateOrg(name, body as OrgChanges),
  },
  { method: 'POST', path: 'users', run: (to, { body }) => to.addUser(body as NewUser) },
  {
    method: 'PATCH',
    path: 'users/{username}',
    run: (to, { name, body }) => to.updateUser(name, body as UserChanges),
  },
  { method: 'GET', path: 'apps', run: (to) => to.apps() },
  {
    method: 'POST',
    path: 'apps/jwt-bearer',
    run: (to, { body }) => to.addJwtApp(body as NewJwtApp),
  },
  {
    method: 'POST',
    path: 'apps/client-credentials',
    run: (to, { body }) => to.addClientCredentialsApp(body as NewAppSeed),
  },
  {
    method: 'POST',
    path: 'apps/refresh-token',
    run: (to, { body }) => to.addRefreshTokenApp(body as NewAppSeed),
  },
  {
    method: 'POST',
    path: 'apps/token-exchange',
    run: (to, { body }) => to.addTokenExchangeApp(body as NewAppSeed),
  },
  {
    method: 'PATCH',
    path: 'apps/{client_id}',
    run: (to, { name, body }) => to.updateApp(name, onlyKnown(body as AppChanges, DEFAULT_APP)),
  },
  {
    method: 'POST',
    path: 'apps/{client_id}/stage',
    run: (to, { name, body }) => to.stageCredentials(name, body as { newKey?: boolean }),
  },
  {
    method: 'POST',
    path: 'apps/{client_id}/rotate',
    run: (to, { name }) => to.rotateCredentials(name),
  },
  {
    method: 'POST',
    path: 'approvals',
    run: (to, { body }) => to.approve(body as { clientId: string; username?: string }),
  },
  { method: 'GET', path: 'refresh-tokens', run: (to) => to.refreshTokens() },
  { method: 'GET', path: 'settings', run: (to) => to.settings() },
  {
    method: 'PATCH',
    path: 'settings',
    run: (to, { body }) => to.configure(onlyKnown(body as Partial<Settings>, DEFAULT_SETTINGS)),
  },
  { method: 'GET', path: 'clock', run: (to) => ({ now: to.clock.now() }) },
  { method: 'POST', path: 'clock', run: (to, { body }) => advance(to, body as { ms: number }) },
  { method: 'GET', path: 'deployments', run: (to) => to.deployments() },
  { method: 'GET', path: 'sessions', run: (to) => to.sessions() },
  {
    method: 'POST',
    path: 'sessions/end',
    run: (to, { body }) => ({ ended: to.endSessions(body as SessionFilter) }),
  },
  { method: 'GET', path: 'faults', run: (to) => to.faults() },
  {
    method: 'POST',
    path: 'faults',
    run: (to, { body }) => faultState(addFault(to, body as FaultRule)),
  },
  { method: 'DELETE', path: 'faults', run: (to) => to.clearFaults() },
  { method: 'GET', path: 'faults/{id}', run: (to, { name }) => faultState(fault(to, name)) },
  { method: 'DELETE', path: 'faults/{id}', run: (to, { name }) => fault(to, name).remove() },
  { method: 'GET', path: 'log', run: (to) => to.log },
  { method: 'DELETE', path: 'log', run: (to) => to.clear() },
  { method: 'GET', path: 'token-requests', run: (to) => to.tokenRequests() },
  { method: 'GET', path: 'counters', run: (to) => to.counters() },
  { method: 'GET', path: 'login-history', run: (to) => to.loginHistory() },
]

const ROOT = '/__simulator'

/** Answers errors as `400 {"message"}`, for example for an unknown app or invalid JSON. */
export function createControl(simulator: () => Simulator): ControlHandler {
  return (method, path, body) => {
    if (path !== ROOT && !path.startsWith(`${ROOT}/`)) return undefined
    const parts = path.slice(ROOT.length + 1).split('/')
    for (const route of ROUTES) {
      const name = route.method === method ? parameterOf(route.path, parts) : undefined
      if (name !== undefined) return run(route, simulator(), name, body)
    }
    return jsonAnswer(404, { message: `${method} ${path} is no call of the simulator` })
  }
}

function run(route: Route, simulator: Simulator, name: string, body: string): Answer {
  try {
    const parsed: unknown = fromWire(body === '' ? {} : JSON.parse(body))
    return jsonAnswer(200, toWire(route.run(simulator, { name, body: parsed }) ?? {}))
  } catch (error) {
    return jsonAnswer(400, { message: error instanceof Error ? error.message : String(error) })
  }
}

/** The parameter of a matching path (empty if it has none); undefined if it does not match. */
function parameterOf(pattern: string, parts: readonly string[]): string | undefined {
  const wanted = pattern.split('/')
  if (wanted.length !== parts.length) return undefined
  let name = ''
  for (const [index, part] of parts.entries()) {
    if (wanted[index]?.startsWith('{')) name = decodeURIComponent(part)
    else if (wanted[index] !== part) return undefined
  }
  return name
}

function summary(simulator: Simulator) {
  const { port, addresses, origins, clock } = simulator
  return {
    ...{ port, addresses, origins },
    now: clock.now(),
    orgs: simulator.orgs(),
    users: simulator.users(),
    apps: simulator.apps(),
    refusals: Object.keys(REFUSALS),
    restRefusals: Object.keys(REST_REFUSALS),
  }
}

function advance({ clock }: Simulator, { ms }: { readonly ms: number }) {
  if (!Number.isFinite(ms)) throw new Error('`ms` must be a number')
  clock.advance(ms)
  return { now: clock.now() }
}

/** Refuses unknown members, because a misspelt setting would have no effect. */
function onlyKnown<T extends object>(changes: T, known: object): T {
  for (const name of Object.keys(changes)) {
    if (!(name in known)) throw new Error(`There is no setting ${name}`)
  }
  return changes
}

function addFault(simulator: Simulator, rule: FaultRule): FaultHandle {
  if (!FAULT_KINDS.includes(rule.kind)) throw new Error(`There is no fault ${rule.kind}`)
  if (rule.kind === 'refusal' && !(rule.refusal in REFUSALS)) {
    throw new Error(`There is no refusal ${rule.refusal}`)
  }
  if (rule.kind === 'rest_refusal' && !(rule.refusal in REST_REFUSALS)) {
    throw new Error(`There is no refusal ${rule.refusal} of the REST API`)
  }
  return simulator.addFault(rule)
}

function fault(simulator: Simulator, id: string): FaultHandle {
  const found = simulator.fault(Number(id))
  if (found === undefined) throw new Error(`There is no fault ${id}`)
  return found
}

function faultState({ id, hits, holding }: FaultHandle) {
  return { id, hits: hits(), holding: holding() }
}
