import t from 'tap'
import {
  documented,
  documentedAsRequired,
  OBJECT_KEYWORDS,
  withDocumented,
} from '../../../src/http/openapi/documented.ts'

t.test('what is documented stands in the document, at any depth', async (t) => {
  const text = { type: 'string', maxLength: 9, ...documented({ pattern: '^a' }) }
  t.same(withDocumented({ schema: text }), {
    schema: { type: 'string', maxLength: 9, pattern: '^a' },
  })
  const body = {
    ...{ type: 'object', title: 'Body', required: [], properties: { a: text } },
    additionalProperties: false,
    ...documented({ anyOf: [{ properties: { a: text } }] }, OBJECT_KEYWORDS),
  }
  t.same(withDocumented([body]), [
    { anyOf: [{ properties: { a: { type: 'string', maxLength: 9, pattern: '^a' } } }] },
  ])
  const lengthless = { maxLength: 9, ...documented({ const: null }, ['maxLength']) }
  t.same(withDocumented({ lengthless }), { lengthless: { const: null } })
})

t.test('a parameter is required there, and not its schema', async (t) => {
  const schema = { type: 'string', ...documentedAsRequired }
  t.same(withDocumented({ parameters: [{ in: 'header', name: 'a', required: false, schema }] }), {
    parameters: [{ in: 'header', name: 'a', required: true, schema: { type: 'string' } }],
  })
})
