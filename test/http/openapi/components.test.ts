import t from 'tap'
import { nameComponents } from '../../../src/http/openapi/components.ts'

const token = { type: 'object', title: 'Access token', properties: { id: { type: 'string' } } }
const reference = { $ref: '#/components/schemas/AccessToken' }

t.test('a titled schema is described once, and referred to wherever it stands', async (t) => {
  const named = nameComponents({
    info: { title: 'API' },
    paths: { '/a': { schema: token }, '/b': { schema: { type: 'array', items: token } } },
  })
  t.strictSame(named, {
    info: { title: 'API' },
    paths: { '/a': { schema: reference }, '/b': { schema: { type: 'array', items: reference } } },
    components: { schemas: { AccessToken: token } },
  })
})

t.test('other components stay', async (t) => {
  const named = nameComponents({ components: { securitySchemes: { bearer: {} } }, at: token })
  t.strictSame(named.components, {
    securitySchemes: { bearer: {} },
    schemas: { AccessToken: token },
  })
})

t.test('a union that is told apart by a member names the schema of each value', async (t) => {
  const grant = (title: string, value: string) => ({
    type: 'object',
    title,
    properties: { type: { const: value } },
  })
  const named = nameComponents({
    union: {
      discriminator: { propertyName: 'type' },
      oneOf: [grant('JWT bearer', 'jwt_bearer'), grant('Client credentials', 'client_credentials')],
    },
  })
  t.strictSame(named.union, {
    discriminator: {
      propertyName: 'type',
      mapping: {
        jwt_bearer: '#/components/schemas/JWTBearer',
        client_credentials: '#/components/schemas/ClientCredentials',
      },
    },
    oneOf: [
      { $ref: '#/components/schemas/JWTBearer' },
      { $ref: '#/components/schemas/ClientCredentials' },
    ],
  })
})

t.test('two schemas of one title that differ are a mistake', async (t) => {
  t.throws(() => nameComponents({ a: token, b: { ...token, properties: {} } }))
})
