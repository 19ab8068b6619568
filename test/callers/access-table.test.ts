import { randomUUID } from 'node:crypto'
import t from 'tap'
import { parse } from 'yaml'
import { PERMISSIONS, type Permission } from '../../src/callers/policy.ts'
import { REFERENCES, type ReferenceRow } from '../../src/callers/reference-table.ts'
import { PROBLEMS } from '../../src/errors/problems.ts'
import { TEXT_FORMS } from '../../src/http/text-forms.ts'
import { ACCESS, type AccessRow } from '../../tools/access-table.ts'
import type { Answer } from '../support/caller.ts'
import { AFTER, ANY, accessWorld, BEFORE, type Lack, type Whose } from './access-world.ts'

/** One request, and how its answer shows that the one thing is lacking. */
interface Fixture {
  readonly ask: (key: string) => Promise<Answer>
  /** Default: a 403. */
  readonly isDenied?: (answer: Answer) => boolean
  /** What is answered to who lacks nothing. Default: a success. */
  readonly status?: number
  /** Which permission the part is about, where the row does not say. */
  readonly permission?: Permission
}

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const SOURCE_NAME = 'the name of the source of its token, in a problem'
const DEPENDENT = 'the name of another that depends on it, in a `409`'
/** Counts go back a few days. */
const A_DAY_AGO = new Date(Date.now() - 86_400_000).toISOString()

const world = await accessWorld(t)
const { call, broker, expect, make, stage, apiKey, asking, newName } = world
const { signingBody, secretBody, connectedBody, exchangeBody } = world

const withSigning =
  (fixture: (name: string) => Promise<Fixture> | Fixture): (() => Promise<Fixture>) =>
  async () =>
    fixture(await make('mine', signingBody()))

/** A route of one integration that takes nothing else. */
const simply = (method: string, path = '', body?: object) =>
  withSigning((name) => ({
    ask: asking(method, `/integrations/${name}${path}`, {
      headers: ANY,
      ...(body !== undefined && { body }),
    }),
  }))

const ofCredential = (method: string, path = '', body?: object) =>
  withSigning(async (name) => {
    const id = await stage(name)
    return {
      ask: asking(method, `/integrations/${name}/credentials/${id}${path}`, {
        ...(body !== undefined && { body }),
      }),
    }
  })

const deployable = async () => {
  const through = await make('theirs', secretBody())
  const deployment = { deployment: { through, app: 'Any_App' } }
  const name = await make('mine', signingBody(deployment))
  return `/integrations/${name}/credentials/${await stage(name)}`
}

const keyFor = (permissions: readonly string[], integrations: readonly string[]) =>
  asking('POST', '/api-keys', { body: { name: newName('mine'), permissions, integrations } })

/** `follower` signs with the credential of `owner`. */
const lending = async (whose: Whose, of: Whose) => {
  const { credential, ...body } = signingBody()
  const owner = await make(of, { ...body, credential })
  return { owner, follower: await make(whose, { ...body, credential: { from: owner } }) }
}

/** Both hold one token. */
const sharing = async () => {
  const body = secretBody()
  const name = await make('mine', body)
  const other = await make('theirs', body)
  for (const one of [name, other]) await expect(200, call('GET', `/tokens/${one}`))
  return { name, other }
}

type Method = 'PUT' | 'PATCH'

/** A change of a new integration of ours; after a `PUT`, all else is as it was. */
const changing = async (
  method: Method,
  body: Readonly<Record<string, unknown>>,
  changes: Readonly<Record<string, unknown>>,
): Promise<Fixture> => {
  const name = await make('mine', body)
  const sent = method === 'PUT' ? { ...body, ...changes } : changes
  return { ask: asking(method, `/integrations/${name}`, { headers: ANY, body: sent }) }
}

function writingFixtures(method: Method): Readonly<Record<string, () => Promise<Fixture>>> {
  const route = `${method} /integrations/{name}`
  const labelled = () => signingBody({ labels: BEFORE })
  const withThrough = async (member: string) => {
    const through = await make('theirs', secretBody())
    return changing(method, signingBody(), { [member]: { through, app: 'Any_App' } })
  }
  return {
    [route]: () => changing(method, labelled(), { labels: AFTER, description: 'changed' }),
    [`${route} \`credential\`, or whatever else changes which ones an existing integration has`]:
      () => changing(method, labelled(), { labels: AFTER, credential: { generate: {} } }),
    [`${route} \`credential.from\`, where it or \`login_url\` or \`grant\` changes`]: async () =>
      changing(method, signingBody(), {
        credential: { from: await make('theirs', signingBody()) },
      }),
    [`${route} \`grant.subject_token.integration\`, where it or \`login_url\` changes`]:
      async () => {
        const body = exchangeBody(await make('mine', secretBody()))
        const subject_token = { integration: await make('theirs', secretBody()) }
        return changing(method, body, { grant: { ...body.grant, subject_token } })
      },
    [`${route} \`grant.integration\`, where it or \`login_url\` changes`]: async () => {
      const of = (integration: string) => ({
        grant: { type: 'data_cloud', integration },
      })
      const { login_url, ...first } = {
        ...secretBody(),
        ...of(await make('mine', secretBody())),
      }
      return changing(
        method,
        { login_url, grant: first.grant },
        of(await make('theirs', secretBody())),
      )
    },
    [`${route} \`deployment.through\`, where it or \`deployment\` changes`]: async () =>
      withThrough('deployment'),
    [`${route} \`certificate_deployment.through\`, where it or \`deployment\` changes`]: async () =>
      withThrough('certificate_deployment'),
    [`${route} the answer, but for what was sent`]: async () => ({
      ...(await changing(method, signingBody(), { description: 'changed' })),
      isDenied: ({ status, body }) => status === 200 && body.status === undefined,
    }),
    [`${route} ${DEPENDENT}`]: async () => {
      const { follower, owner } = await lending('theirs', 'mine')
      const { body: former } = await expect(200, call('GET', `/integrations/${owner}`))
      const credential = { from: await make('mine', signingBody()) }
      const sent = method === 'PUT' ? { ...former, credential } : { credential }
      return {
        ask: asking(method, `/integrations/${owner}`, { headers: ANY, body: sent }),
        isDenied: ({ body }) => !body.detail.includes(follower),
        status: 409,
      }
    },
  }
}

const ofUnconnectedSource =
  (
    ask: (follower: string) => Fixture['ask'] | Promise<Fixture['ask']>,
    status: number = PROBLEMS.integration_not_connected.status,
  ) =>
  async (): Promise<Fixture> => {
    const owner = await make('theirs', connectedBody())
    const follower = await make('mine', exchangeBody(owner))
    const asked = await ask(follower)
    return { ask: asked, isDenied: ({ body }) => !JSON.stringify(body).includes(owner), status }
  }

/** Logs in as a client of Salesforce whose assertion is the credential. */
const loggingIn = (name: string) => (assertion: string) =>
  call('POST', `/login/${name}/services/oauth2/token`, {
    key: null,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: JWT_BEARER, assertion }).toString(),
  })

const isForbiddenLogin = ({ status, body }: Answer) =>
  status === 400 && /^caller_forbidden: /.test(body.error_description)

const isForbiddenResource = ({ status, body }: Answer) =>
  status === 403 && /^caller_forbidden: /.test(body.error_description)

const FIXTURES: Readonly<Record<string, () => Promise<Fixture> | Fixture>> = {
  'GET /tokens/{integration}': withSigning((name) => ({ ask: asking('GET', `/tokens/${name}`) })),
  'GET /gateway/{integration}': withSigning((name) => ({
    ask: asking('GET', `/gateway/${name}`),
  })),
  'POST /tokens/{integration}/check': withSigning((name) => ({
    ask: asking('POST', `/tokens/${name}/check`, { body: { seen: { status: 401 } } }),
  })),
  'POST /tokens/{integration}/proofs': withSigning((name) => ({
    ask: asking('POST', `/tokens/${name}/proofs`, { body: { requests: [] } }),
    status: PROBLEMS.nothing_to_prove.status,
  })),
  'DELETE /tokens/{integration}': withSigning((name) => ({
    ask: asking('DELETE', `/tokens/${name}`),
  })),
  'GET /integrations/{name}': simply('GET'),
  'GET /integrations/{name}/callers': simply('GET', '/callers'),
  'GET /integrations/{name}/setup': simply('GET', '/setup'),
  'GET /integrations/{name}/setup/metadata': simply('GET', '/setup/metadata'),
  'GET /integrations/{name}/credentials': simply('GET', '/credentials'),
  'POST /integrations/{name}/test': simply('POST', '/test'),
  'POST /integrations/{name}/probes/dpop': simply('POST', '/probes/dpop'),
  'DELETE /integrations/{name}': simply('DELETE'),
  'POST /integrations/{name}/identity': simply('POST', '/identity', { accept: true }),
  'POST /integrations/{name}/credentials': simply('POST', '/credentials', { generate: {} }),
  'GET /integrations/{name}/credentials/{id}': ofCredential('GET'),
  'GET /integrations/{name}/credentials/{id}/certificate': ofCredential('GET', '/certificate'),
  'DELETE /integrations/{name}/credentials/{id}': ofCredential('DELETE'),
  'POST /integrations/{name}/credentials/{id}/activate': ofCredential('POST', '/activate', {
    prove: false,
  }),
  'PUT /integrations/{name}/credentials/{id}/certificate': withSigning(async (name) => {
    const id = await stage(name, { csr: { common_name: 'mine' } })
    return {
      ask: asking('PUT', `/integrations/${name}/credentials/${id}/certificate`, {
        ...{ body: 'no PEM', headers: { 'content-type': 'text/plain' } },
      }),
      status: 422,
    }
  }),
  'POST /integrations/{name}/credentials/{id}/deploy': async () => ({
    ask: asking('POST', `${await deployable()}/deploy`),
  }),
  'GET /integrations/{name}/credentials/{id}/deployment': async () => {
    const path = await deployable()
    await expect(202, call('POST', `${path}/deploy`))
    return { ask: asking('GET', `${path}/deployment`) }
  },
  'POST /integrations/{name}/connections': async () => {
    const name = await make('mine', connectedBody())
    return {
      ask: asking('POST', `/integrations/${name}/connections`, { body: { flow: 'device' } }),
    }
  },
  'GET /integrations/{name}/connections/{id}': async () => {
    const path = `/integrations/${await make('mine', connectedBody())}/connections`
    const { body } = await expect(201, call('POST', path, { body: { flow: 'device' } }))
    return { ask: asking('GET', `${path}/${body.id}`) }
  },
  'DELETE /integrations/{name}/connection': async () => ({
    ask: asking('DELETE', `/integrations/${await make('mine', connectedBody())}/connection`),
  }),
  'GET /integrations/{name}/setup the certificate of `credential.from`': async () => {
    const from = await make('theirs', signingBody())
    const { credential: _, ...body } = signingBody()
    const name = await make('mine', { ...body, credential: { from } })
    return {
      ask: asking('GET', `/integrations/${name}/setup`),
      isDenied: ({ body }) => body.certificate === null,
    }
  },
  'GET /integrations': withSigning((name) => ({
    ask: asking('GET', '/integrations?limit=200'),
    isDenied: ({ body }) => !body.items.some((item: { name: string }) => item.name === name),
  })),
  'GET /integrations/summary': async () => {
    const tag = randomUUID()
    await make('mine', signingBody({ labels: { tag } }))
    return {
      ask: asking('GET', '/integrations/summary'),
      isDenied: ({ body }) => !body.labels.some((label: { value: string }) => label.value === tag),
    }
  },
  ...writingFixtures('PUT'),
  ...writingFixtures('PATCH'),
  [`GET /tokens/{integration} ${SOURCE_NAME}`]: ofUnconnectedSource((name) =>
    asking('GET', `/tokens/${name}`),
  ),
  [`GET /gateway/{integration} ${SOURCE_NAME}`]: ofUnconnectedSource((name) =>
    asking('GET', `/gateway/${name}`),
  ),
  [`POST /tokens/{integration}/proofs ${SOURCE_NAME}`]: ofUnconnectedSource((name) =>
    asking('POST', `/tokens/${name}/proofs`, { body: { requests: [] } }),
  ),
  [`POST /tokens/{integration}/check ${SOURCE_NAME}`]: ofUnconnectedSource((name) =>
    asking('POST', `/tokens/${name}/check`, { body: { seen: { status: 401 } } }),
  ),
  'POST /integrations/{name}/test the name of the source of its token': ofUnconnectedSource(
    (name) => asking('POST', `/integrations/${name}/test`),
    200,
  ),
  [`POST /integrations/{name}/credentials/{id}/activate ${SOURCE_NAME}`]: ofUnconnectedSource(
    async (name) => {
      const id = await stage(name, { client_secret: 'another' })
      return asking('POST', `/integrations/${name}/credentials/${id}/activate`)
    },
  ),
  'POST /login/{integration}/services/oauth2/token': async () => {
    const name = await make('mine', secretBody())
    return { ask: loggingIn(name), isDenied: isForbiddenLogin }
  },
  [`POST /login/{integration}/services/oauth2/token ${SOURCE_NAME}`]: ofUnconnectedSource(
    loggingIn,
    400,
  ),
  'POST /login/{integration}/services/oauth2/introspect': async () => {
    const name = await make('mine', secretBody())
    const { body: token } = await expect(200, call('GET', `/tokens/${name}`))
    return {
      ask: (key) =>
        call('POST', `/login/${name}/services/oauth2/introspect`, {
          key,
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: new URLSearchParams({ token: token.access_token }).toString(),
        }),
      isDenied: ({ status, body }) => status === 200 && body.active === false,
    }
  },
  ...Object.fromEntries(
    (['GET', 'POST'] as const).flatMap((method) => {
      const route = `${method} /login/{integration}/services/oauth2/userinfo`
      const userinfo = (name: string) => asking(method, `/login/${name}/services/oauth2/userinfo`)
      return [
        [
          route,
          async () => {
            const name = await make('mine', secretBody())
            return { ask: userinfo(name), isDenied: isForbiddenResource }
          },
        ],
        [`${route} ${SOURCE_NAME}`, ofUnconnectedSource(userinfo, 403)],
      ]
    }),
  ),
  'GET /login/{integration}/id/{org}/{user}': async () => {
    const name = await make('mine', secretBody())
    const { body } = await expect(200, call('GET', `/tokens/${name}`))
    return {
      ask: asking('GET', `/login/${name}/id/${body.org_id}/${body.user_id}`),
      isDenied: isForbiddenResource,
    }
  },
  [`GET /login/{integration}/id/{org}/{user} ${SOURCE_NAME}`]: ofUnconnectedSource(
    (name) => asking('GET', `/login/${name}/id/00D000000000001/005000000000001`),
    403,
  ),
  'GET /integrations/{name} `status.lent_to`': async () => {
    const { follower, owner } = await lending('theirs', 'mine')
    return {
      ask: asking('GET', `/integrations/${owner}`),
      isDenied: ({ body }) => !body.status.lent_to.includes(follower),
    }
  },
  'GET /integrations/{name} `status.shares_token_with`': async () => {
    const { name, other } = await sharing()
    return {
      ask: asking('GET', `/integrations/${name}`),
      isDenied: ({ body }) => !body.status.shares_token_with.includes(other),
    }
  },
  'GET /integrations `status.shares_token_with`': async () => {
    const { name, other } = await sharing()
    return {
      ask: asking('GET', '/integrations?limit=200'),
      isDenied: ({ body }) =>
        !body.items
          .find((item: { name: string }) => item.name === name)
          .status.shares_token_with.includes(other),
    }
  },
  [`DELETE /integrations/{name} ${DEPENDENT}`]: async () => {
    const { follower, owner } = await lending('theirs', 'mine')
    return {
      ask: asking('DELETE', `/integrations/${owner}`, { headers: ANY }),
      isDenied: ({ body }) => !body.detail.includes(follower),
      status: 409,
    }
  },
  'POST /identities/accept': async () => {
    const name = await make('mine', signingBody({ identity: { pin: 'org_and_user' } }))
    const { body } = await expect(200, call('GET', `/tokens/${name}`))
    const move = { from_org_id: body.org_id, to_org_id: '00D0000000000ZZAAA' }
    return {
      ask: asking('POST', '/identities/accept', { body: move }),
      isDenied: ({ body }) =>
        !body.items.some((item: { integration: string }) => item.integration === name),
    }
  },
  'POST /api-keys': () => ({ ask: keyFor(['api-keys:write'], ['theirs-x', 'mine-x']) }),
  'POST /api-keys each of `permissions`': () => ({
    ask: keyFor(['tokens:read', 'tokens:revoke'], ['theirs-x', 'mine-x']),
    permission: 'tokens:revoke',
  }),
  'GET /api-keys': async () => {
    const id = await apiKey(['theirs-x', 'mine-x'])
    return {
      ask: asking('GET', '/api-keys?limit=200'),
      isDenied: ({ body }) => !body.items.some((item: { id: string }) => item.id === id),
    }
  },
  'DELETE /api-keys/{id}': async () => ({
    ask: asking('DELETE', `/api-keys/${await apiKey(['theirs-x', 'mine-x'])}`),
  }),
  'GET /audit events of integrations': withSigning((name) => ({
    ask: asking('GET', `/audit?integration=${name}`),
    isDenied: ({ body }) => body.items.length === 0,
  })),
  'GET /audit other events': async () => {
    await apiKey(['mine-x'])
    return {
      ask: asking('GET', '/audit?action=api_key.created'),
      isDenied: ({ body }) => body.items.length === 0,
    }
  },
  'GET /incidents/exposure': () => ({
    ask: asking('GET', `/incidents/exposure?since=${A_DAY_AGO}&all=true`),
  }),
  'GET /keyring': () => ({ ask: asking('GET', '/keyring') }),
  'POST /keyring/reseal': () => ({ ask: asking('POST', '/keyring/reseal') }),
  'POST /store/accept': () => ({ ask: asking('POST', '/store/accept') }),
  'DELETE /store/records/{kind}/{name}': () => ({
    ask: asking('DELETE', '/store/records/integration/none'),
    status: 404,
  }),
}

/** What a row's caller lacks; each is tried. */
const LACKS: Readonly<Record<Exclude<AccessRow['on'], undefined | 'selected'>, readonly Lack[]>> = {
  path: ['mine'],
  scope: ['mine'],
  change: ['mine', 'unless-before', 'unless-after'],
  before: ['unless-after'],
  named: ['theirs'],
  each: ['mine'],
  all: ['others'],
  reach: ['mine'],
}

const titleOf = ({ route, part }: AccessRow) => `${route} ${part}`.trim()
const isForbidden = ({ status, body }: Answer) => status === 403 && body.code === 'caller_forbidden'

/** By labels: every permission that a caller may gain. */
const GAINS = /`labels`/
/** They take their callers in their own way, and have tests of their own. */
const OAUTH = 'POST /oauth/token'
const OWN_WAY = [OAUTH, 'POST /login/{integration}/services/Soap/{kind}/{version}']

for (const row of ACCESS) {
  const { route, part, needed, on } = row
  const title = titleOf(row)
  if (needed === 'public' || needed === 'any' || on === undefined) continue
  if (OWN_WAY.includes(route) || GAINS.test(part)) continue
  // Either of two permissions suffices: `journeys/freeze.test.ts` tries them.
  if (on === 'selected') continue
  t.test(`${title} takes ${needed}: whoever lacks just that is denied`, async (t) => {
    const prepare = FIXTURES[title]
    if (!prepare) throw new Error('a row needs a fixture')
    for (const lack of LACKS[on]) {
      const fixture = await prepare()
      const { ask, isDenied = isForbidden, status } = fixture
      const permission = needed === 'same' ? fixture.permission : needed
      if (permission === undefined) throw new Error('a fixture says which permission')
      const denied = await ask(await world.keyLacking(permission, lack))
      t.ok(isDenied(denied), `${lack}: ${denied.status} ${denied.body?.detail}`)
      const allowed = await ask(world.fullKey)
      t.notOk(isDenied(allowed), `${lack}: whoever lacks nothing is not`)
      if (status === undefined)
        t.ok(allowed.status < 300, `${allowed.status} ${allowed.body?.detail}`)
      else t.equal(allowed.status, status)
    }
  })
}

for (const row of ACCESS.filter(({ part }) => GAINS.test(part))) {
  t.test(`${titleOf(row)} takes the same permission, whichever it is`, async (t) => {
    const [method = ''] = row.route.split(' ')
    for (const permission of PERMISSIONS) {
      const body = signingBody({ labels: BEFORE })
      const name = await make('mine', body)
      const sent = method === 'PUT' ? { ...body, labels: AFTER } : { labels: AFTER }
      const ask = asking(method, `/integrations/${name}`, { headers: ANY, body: sent })
      const denied = await ask(await world.keyLacking(permission, 'unless-after'))
      t.ok(isForbidden(denied), `${permission}: ${denied.status}`)
      t.equal((await ask(world.fullKey)).status, 200)
    }
  })
}

t.test(`${OAUTH} takes tokens:read on what its scope names`, async (t) => {
  const name = await make('mine', signingBody())
  const ask = async (integrations: readonly string[], permissions = ['tokens:read']) => {
    const limit = permissions.includes('tokens:prove') ? { requests: ['* /*'] } : {}
    const made = { name: newName('mine'), permissions, integrations, ...limit }
    const { id, key } = (await expect(201, call('POST', '/api-keys', { body: made }))).body
    const form = new URLSearchParams({ grant_type: 'client_credentials' })
    form.set('scope', `integration:${name}`)
    const basic = Buffer.from(`${id}:${key}`).toString('base64')
    return fetch(`${broker.url}/oauth/token`, {
      ...{ method: 'POST', body: form, headers: { authorization: `Basic ${basic}` } },
    })
  }
  t.equal((await ask(['theirs-*'])).status, 400)
  t.equal(
    (
      await ask(
        ['*'],
        PERMISSIONS.filter((one) => one !== 'tokens:read'),
      )
    ).status,
    400,
  )
  t.equal((await ask(['mine-*'])).status, 200)
})

const document = parse(JSON.stringify(broker.app.server.swagger()))

t.test('every route is in the table, and every row is a route', async (t) => {
  const routes = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
  )
  t.same([...new Set(ACCESS.map(({ route }) => route))].sort(), routes.sort())
  const titles = ACCESS.map(titleOf)
  t.same(titles, [...new Set(titles)])
  for (const title of Object.keys(FIXTURES)) t.ok(titles.includes(title), title)
})

t.test('what a route needs, its description says', async (t) => {
  for (const { route, part, needed } of ACCESS) {
    if (part !== '' || needed === 'public' || needed === 'any') continue
    const [method = '', path = ''] = route.split(' ')
    const { description } = document.paths[path][method.toLowerCase()]
    t.match(description, `\`${needed}\``, route)
  }
})

t.test('every member that names another integration is in the table', async (t) => {
  const { requestBody } = document.paths['/integrations/{name}'].put
  const [{ schema }] = Object.values(requestBody.content) as [{ schema: Schema }]
  const named = new Set(namesIn(schema).filter((path) => path !== 'name'))
  const referring: readonly ReferenceRow[] = Object.values(REFERENCES)
  t.same([...named].sort(), referring.flatMap(({ members }) => members).sort())
})

interface Schema {
  readonly pattern?: string
  readonly $ref?: string
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
  readonly properties?: Readonly<Record<string, Schema>>
}

/** Paths of the members that have the form of an integration's name. */
function namesIn(schema: Schema, path = ''): readonly string[] {
  const { pattern, $ref, anyOf = [], oneOf = [], allOf = [], properties = {} } = schema
  if ($ref !== undefined) {
    return namesIn(document.components.schemas[$ref.split('/').at(-1) ?? ''], path)
  }
  if (pattern === TEXT_FORMS.name.pattern) return [path]
  return [
    ...[...anyOf, ...oneOf, ...allOf].flatMap((one) => namesIn(one, path)),
    ...Object.entries(properties).flatMap(([member, one]) =>
      namesIn(one, path === '' ? member : `${path}.${member}`),
    ),
  ]
}
