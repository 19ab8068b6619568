/** The schemas of the routes: constants, so a test looks at them, and no start does. */
import { subscribe } from 'node:diagnostics_channel'
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import t from 'tap'
import { createValidators } from '../../../src/http/server/validation.ts'
import { startBroker } from '../../support/broker.ts'

const PARTS = ['body', 'params', 'querystring', 'headers'] as const

interface Route {
  readonly schema?: Readonly<Record<(typeof PARTS)[number], object | undefined>>
}

/** What each route gives the validator, and what was compiled of it. */
const given = new Set<object>()
const compiled: unknown[] = []
subscribe('fastify.initialization', (message) => {
  const { fastify } = message as {
    fastify: { addHook(name: 'onRoute', hook: (route: Route) => void): void }
  }
  fastify.addHook('onRoute', ({ schema }) => {
    for (const part of PARTS) if (schema?.[part]) given.add(schema[part])
  })
})
const { compile } = Ajv.prototype
Ajv.prototype.compile = function (this: Ajv, schema: object) {
  compiled.push(schema)
  return compile.call(this, schema)
} as typeof compile

t.test(
  'a start compiles the schema of no route; the first request does, and no other',
  async (t) => {
    const { call } = await startBroker(t, { loginHosts: [] })
    const ofRoutes = () => compiled.filter((schema) => given.has(schema as object)).length
    t.not(given.size, 0)
    // Each start asks for `/readyz`, which has no schema.
    t.equal(ofRoutes(), 0)
    t.equal((await call('GET', '/integrations?limit=x')).status, 400)
    t.equal(ofRoutes(), 1)
    t.equal((await call('GET', '/integrations?limit=1')).status, 200)
    t.equal(ofRoutes(), 1)
  },
)

t.test('each schema of a route is JSON Schema, and compiles', async (t) => {
  const strictly = addFormats.default(new Ajv({ strict: false, discriminator: true }))
  const compilerOf = createValidators()
  for (const schema of given) {
    t.ok(strictly.validateSchema(schema), strictly.errorsText())
    for (const httpPart of ['body', 'querystring']) {
      const validate = compilerOf({ schema, httpPart, method: 'GET', url: '/' })
      t.doesNotThrow(() => validate({}))
    }
  }
})

t.test('the errors of a refused value stand at the validator, and go with the next', async (t) => {
  const schema = { type: 'object', required: ['name'] }
  const validate = createValidators()({ schema, httpPart: 'body', method: 'PUT', url: '/' })
  t.equal(validate({}), false)
  t.match(validate.errors, [{ keyword: 'required' }])
  t.equal(validate({ name: 'billing' }), true)
  t.equal(validate.errors, null)
})
