import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { withDerivedProblems } from '../../../src/http/openapi/derived-problems.ts'
import { problems } from '../../../src/http/problems/problem.ts'
import { startBroker } from '../../support/broker.ts'
import { ROOT } from '../../support/project-root.ts'

interface Operation {
  readonly security?: readonly object[]
  readonly responses: Readonly<Record<string, object>>
}

const ANYWHERE = ['400', '408', '431']
const OURS = ['414', '500']
const WITH_BODY = ['413', '415']
const GUARDED = ['401', '403', '409', '429', '503']

t.test('what follows from the kind of a route is added to what it states', async (t) => {
  const json = (schema: object) => ({ content: { 'application/json': { schema } } })
  const page = { description: 'A page', content: { 'text/html': { schema: { type: 'string' } } } }
  const { paths, components } = withDerivedProblems({
    components: {},
    paths: {
      '/a': {
        get: { responses: { 200: json({}), ...(problems('integration_changed') as object) } },
        post: { responses: {} },
      },
      '/open': { get: { security: [], responses: { 400: page } } },
      '/oauth': { post: { security: [], responses: { 400: json({}) } } },
    },
  }) as { paths: Record<string, Record<string, Operation>>; components: object }
  const statusesOf = (path: string, method: string) =>
    Object.keys(paths[path]?.[method]?.responses ?? {}).sort()
  t.same(statusesOf('/a', 'get'), ['200', '412', ...ANYWHERE, ...OURS, ...GUARDED].sort())
  t.same(statusesOf('/a', 'post'), [...ANYWHERE, ...OURS, ...WITH_BODY, ...GUARDED].sort())
  t.same(statusesOf('/open', 'get'), [...ANYWHERE, ...OURS].sort())
  t.same(statusesOf('/oauth', 'post'), ANYWHERE, 'it has its own form for the rest')
  t.match(paths['/a']?.get?.responses, {
    412: { $ref: '#/components/responses/IntegrationChanged' },
  })
  t.match(paths['/open']?.get?.responses, {
    400: { description: 'A page', content: { 'text/html': {}, 'application/problem+json': {} } },
  })
  t.match(components, {
    responses: { UriTooLong: { content: {} }, IntegrationChanged: { content: {} } },
  })
})

t.test('every operation says what the server in front of it answers', async (t) => {
  const { url, adminKey } = await startBroker(t, {
    loginHosts: [],
    env: { VALETKEY_TRUST_PROXY: '127.0.0.1/32' },
  })
  const document: { readonly paths: Readonly<Record<string, Record<string, Operation>>> } = parse(
    readFileSync(join(ROOT, 'openapi.yaml'), 'utf8'),
  )
  let client = 0
  const send = async (method: string, path: string, init: RequestInit = {}, key = adminKey) => {
    client += 1
    const headers = {
      authorization: `Bearer ${key}`,
      // Each from an address of its own, so that failures hold up nobody.
      'x-forwarded-for': `192.0.${Math.floor(client / 250)}.${(client % 250) + 1}`,
      ...(init.headers as Record<string, string> | undefined),
    }
    const answer = await fetch(`${url}${path}`, { ...init, method, headers })
    await answer.text()
    return answer.status
  }
  for (const [template, operations] of Object.entries(document.paths)) {
    const path = template.replace(/\{[^}]+\}/g, 'x')
    for (const [name, { security, responses }] of Object.entries(operations)) {
      const method = name.toUpperCase()
      const what = `${method} ${template}`
      const isOAuth = /^\/(oauth\/token|login\/|\.well-known\/oauth)/.test(template)
      const tooLong = await send(method, `${path}?q=${'x'.repeat(8_200)}`)
      const ignoresQuery = template === '/gateway/{integration}'
      // A fault.
      const isSoap = template.includes('/Soap/')
      const ofDoor = isSoap ? 500 : 400
      t.equal(tooLong, isOAuth ? ofDoor : ignoresQuery ? 404 : 414, what)
      t.ok(responses[tooLong], `${what}: ${tooLong}`)
      if (path !== template) {
        const longPart = template.replace(/\{[^}]+\}/g, 'x'.repeat(101))
        t.equal(await send(method, longPart), 414, what)
        t.equal(await send(method, template.replace(/\{[^}]+\}/g, '%ff%zz')), 400, what)
      }
      if (method !== 'GET') {
        const body = 'x'.repeat(70_000)
        const odd = await send(method, path, { body, headers: { 'content-type': 'image/png' } })
        t.ok(isOAuth ? odd === ofDoor : odd === 415 || odd === 413, `${what}: ${odd}`)
        t.ok(responses[odd], `${what}: ${odd}`)
      }
      if (security === undefined) t.equal(await send(method, path, {}, 'wrong'), 401, what)
      for (const status of ANYWHERE) t.ok(responses[status], `${what}: ${status}`)
    }
  }
})
