import t from 'tap'
import { prefersMarkdown } from '../../../src/http/server/accept.ts'

t.test('JSON is the answer unless Markdown is liked better', async (t) => {
  t.notOk(prefersMarkdown(undefined))
  t.notOk(prefersMarkdown('*/*'))
  t.notOk(prefersMarkdown('application/json, text/markdown'))
  t.notOk(prefersMarkdown('application/json;q=0.9, text/plain;q=0.1'))
  t.ok(prefersMarkdown('text/markdown'))
  t.ok(prefersMarkdown('text/html,application/xhtml+xml,application/json;q=0.8,*/*;q=0.7'))
})

t.test('a client that takes neither gets a problem', async (t) => {
  t.throws(() => prefersMarkdown('image/png'), { code: 'not_acceptable' })
  t.throws(() => prefersMarkdown('application/json;q=0'), { code: 'not_acceptable' })
})
