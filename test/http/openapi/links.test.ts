import t from 'tap'
import type { Operation } from '../../../src/http/openapi/derived-problems.ts'
import { withLinks } from '../../../src/http/openapi/links.ts'

const made = { 201: { description: 'Made' }, 400: { description: 'Not made' } }
const at = (operationId: string, responses: NonNullable<Operation['responses']> = {}) => ({
  operationId,
  responses,
})

t.test('what makes a resource links to what works on it', async (t) => {
  const { paths } = withLinks({
    paths: {
      '/cats': { get: at('listCats') },
      '/cats/{name}': { put: at('putCat', made), get: at('getCat') },
      '/cats/{name}/toys': { post: at('addToy', made), get: at('listToys') },
      '/cats/{name}/toys/{id}': { delete: at('removeToy') },
      '/owners/{cat}': { get: at('getOwner') },
      '/keys': { post: at('makeKey', made) },
      '/keys/{id}': { delete: at('removeKey') },
    },
  })
  const responsesOf = (path: string, method: string): Record<string, object> => {
    const operations: Record<string, Record<string, { responses?: object }>> = paths
    return { ...operations[path]?.[method]?.responses }
  }
  const linksOf = (path: string, method: string) => {
    const made: { links?: object } = responsesOf(path, method)[201] ?? {}
    return made.links
  }
  const cat = { name: '$request.path.name' }
  t.same(linksOf('/cats/{name}', 'put'), {
    getCat: { operationId: 'getCat', parameters: cat },
    addToy: { operationId: 'addToy', parameters: cat },
    listToys: { operationId: 'listToys', parameters: cat },
    getOwner: { operationId: 'getOwner', parameters: { cat: '$request.path.name' } },
  })
  t.same(linksOf('/cats/{name}/toys', 'post'), {
    removeToy: { operationId: 'removeToy', parameters: { ...cat, id: '$response.body#/id' } },
  })
  t.same(linksOf('/keys', 'post'), {
    removeKey: { operationId: 'removeKey', parameters: { id: '$response.body#/id' } },
  })
  t.same(responsesOf('/cats/{name}', 'put')[400], made[400])
})
