/** The permissions of each route and of each part of it that reaches another integration. The table is written to `docs/callers.md`, and a test checks it. */
import type { Permission } from '../src/callers/policy.ts'
import { NAMED_IN_ANSWERS, REFERENCES, type ReferenceRow } from '../src/callers/reference-table.ts'

/** The integrations on which a permission is needed. */
const ON = {
  path: 'the one of the path',
  scope: 'the one that `scope` names',
  change: 'the one of the path, as it is and as it will be',
  before: 'the one of the path, as it is',
  named: 'the one that is named',
  each: 'each; others are left out',
  all: 'all: limited to nothing',
  reach: 'all that the key reaches',
  selected: 'all that it selects; or `service:manage`, limited to nothing',
} as const

/** For a route: `public` needs no authentication, `any` needs authentication only. For a part: `same` is the permission of the route. */
type Needed = Permission | 'public' | 'any' | 'same'

export interface AccessRow {
  /** As in `openapi.yaml`. */
  readonly route: string
  /** Part of the request or the answer. Empty: the route itself. */
  readonly part: string
  readonly needed: Needed
  /** Absent: no integration. */
  readonly on?: keyof typeof ON
}

const row = (route: string, needed: Needed, on?: keyof typeof ON, part = ''): AccessRow => ({
  ...{ route, part, needed },
  ...(on && { on }),
})
const rows = (needed: Needed, on: keyof typeof ON | undefined, routes: readonly string[]) =>
  routes.map((route) => row(route, needed, on))

const NAME = '/integrations/{name}'
const DOOR = '/login/{integration}'
const LOGIN = `POST ${DOOR}/services/oauth2/token`
const USERINFO = ['GET', 'POST'].map((method) => `${method} ${DOOR}/services/oauth2/userinfo`)
const IDENTITY = `GET ${DOOR}/id/{org}/{user}`
const SOAP_LOGIN = `POST ${DOOR}/services/Soap/{kind}/{version}`
const REFERRING: readonly ReferenceRow[] = Object.values(REFERENCES)
/** The integration whose token it exchanges. */
const SOURCE_NAME = 'the name of the source of its token, in a problem'
/** An integration that blocks the request, and that the answer names. */
const DEPENDENT = 'the name of another that depends on it, in a `409`'

/** The member itself, and other changes that need the permission. */
function changesOf({ members, changes }: ReferenceRow): string {
  const others = changes.filter((one) => !members.includes(one))
  return ['it', ...others.map((one) => `\`${one}\``)].join(' or ')
}

const writing = (route: string): readonly AccessRow[] => [
  row(route, 'integrations:write', 'change'),
  row(route, 'same', 'before', '`labels`, where the caller would gain a permission'),
  row(
    ...([route, 'credentials:write', 'change'] as const),
    '`credential`, or whatever else changes which ones an existing integration has',
  ),
  ...REFERRING.flatMap((reference) =>
    reference.members.map((member) =>
      row(
        ...([route, reference.permission, 'named'] as const),
        `\`${member}\`, where ${changesOf(reference)} changes`,
      ),
    ),
  ),
  row(route, NAMED_IN_ANSWERS, 'path', 'the answer, but for what was sent'),
  row(route, NAMED_IN_ANSWERS, 'named', DEPENDENT),
]

export const ACCESS: readonly AccessRow[] = [
  ...rows('public', undefined, [
    'GET /livez',
    'GET /readyz',
    'GET /problems',
    'GET /problems/{code}',
    'GET /problems/salesforce',
    'GET /oauth/callback',
    'GET /status',
    'POST /status/sign-in',
    'POST /status/sign-out',
    'GET /.well-known/oauth-authorization-server/login/{integration}',
    `GET ${DOOR}/services/oauth2/revoke`,
    `POST ${DOOR}/services/oauth2/revoke`,
  ]),
  row('GET /whoami', 'any'),
  row('POST /oauth/token', 'tokens:read', 'scope'),
  row('POST /oauth/token', NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  row(LOGIN, 'tokens:read', 'path'),
  row(LOGIN, NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  row(`POST ${DOOR}/services/oauth2/introspect`, 'tokens:read', 'path'),
  ...[...USERINFO, IDENTITY].flatMap((route) => [
    row(route, 'tokens:read', 'path'),
    row(route, NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  ]),
  row(SOAP_LOGIN, 'tokens:read', 'path'),
  row(SOAP_LOGIN, NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  row('GET /tokens/{integration}', 'tokens:read', 'path'),
  row('GET /tokens/{integration}', NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  row('POST /tokens/{integration}/proofs', 'tokens:prove', 'path'),
  row('POST /tokens/{integration}/proofs', NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  row('GET /gateway/{integration}', 'tokens:read', 'path'),
  row('GET /gateway/{integration}', NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  row('POST /tokens/{integration}/check', 'tokens:read', 'path'),
  row('POST /tokens/{integration}/check', NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  row('DELETE /tokens/{integration}', 'tokens:revoke', 'path'),
  row('GET /integrations', 'integrations:read', 'each'),
  row('GET /integrations', NAMED_IN_ANSWERS, 'named', '`status.shares_token_with`'),
  row('GET /integrations/summary', 'integrations:read', 'each'),
  row(`GET ${NAME}`, 'integrations:read', 'path'),
  row(`GET ${NAME}`, NAMED_IN_ANSWERS, 'named', '`status.shares_token_with`'),
  row(`GET ${NAME}`, NAMED_IN_ANSWERS, 'named', '`status.lent_to`'),
  ...writing(`PUT ${NAME}`),
  ...writing(`PATCH ${NAME}`),
  row(`DELETE ${NAME}`, 'integrations:write', 'path'),
  row(`DELETE ${NAME}`, NAMED_IN_ANSWERS, 'named', DEPENDENT),
  ...rows('integrations:read', 'path', [
    `GET ${NAME}/callers`,
    `GET ${NAME}/setup`,
    `GET ${NAME}/setup/metadata`,
  ]),
  row(`GET ${NAME}/setup`, 'integrations:read', 'named', 'the certificate of `credential.from`'),
  row(`POST ${NAME}/test`, 'integrations:test', 'path'),
  row(`POST ${NAME}/test`, NAMED_IN_ANSWERS, 'named', 'the name of the source of its token'),
  row(`POST ${NAME}/probes/dpop`, 'integrations:test', 'path'),
  row(`POST ${NAME}/identity`, 'integrations:write', 'path'),
  row('POST /identities/accept', 'integrations:write', 'each'),
  ...rows('integrations:read', 'path', [
    `GET ${NAME}/credentials`,
    `GET ${NAME}/credentials/{id}`,
    `GET ${NAME}/credentials/{id}/certificate`,
    `GET ${NAME}/credentials/{id}/deployment`,
    `GET ${NAME}/connections/{id}`,
  ]),
  ...rows('credentials:write', 'path', [
    `POST ${NAME}/credentials`,
    `PUT ${NAME}/credentials/{id}/certificate`,
    `POST ${NAME}/credentials/{id}/activate`,
    `POST ${NAME}/credentials/{id}/deploy`,
    `DELETE ${NAME}/credentials/{id}`,
    `POST ${NAME}/connections`,
    `DELETE ${NAME}/connection`,
  ]),
  row(`POST ${NAME}/credentials/{id}/activate`, NAMED_IN_ANSWERS, 'named', SOURCE_NAME),
  row('POST /api-keys', 'api-keys:write', 'reach'),
  row('POST /api-keys', 'same', 'reach', 'each of `permissions`'),
  ...rows('api-keys:write', 'reach', ['GET /api-keys', 'DELETE /api-keys/{id}']),
  row('GET /audit', 'audit:read', 'each', 'events of integrations'),
  row('GET /audit', 'audit:read', 'all', 'other events'),
  row('GET /incidents/exposure', 'audit:read', 'all'),
  ...rows('tokens:revoke', 'selected', [
    'POST /freezes',
    'GET /freezes',
    'GET /freezes/{id}',
    'DELETE /freezes/{id}',
  ]),
  ...rows('service:manage', 'all', [
    'GET /keyring',
    'POST /keyring/reseal',
    'POST /store/accept',
    'DELETE /store/records/{kind}/{name}',
  ]),
]

/** Texts for values that are not permissions. */
const WORDS: Readonly<Record<string, string>> = {
  public: 'nothing',
  any: 'any credential',
  same: 'the same permission',
}

export const renderAccessTable = (): string =>
  [
    '| route | part | needs | on which integration |',
    '|---|---|---|---|',
    ...ACCESS.map(({ route, part, needed, on }) => {
      const where = on === undefined ? '' : ON[on]
      return `| \`${route}\` | ${part} | ${WORDS[needed] ?? `\`${needed}\``} | ${where} |`
    }),
  ].join('\n')
