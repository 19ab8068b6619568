/** Whoever follows the `type` of a problem finds what it means and what to do. */
import t from 'tap'
import { PROBLEMS } from '../../../src/errors/problems.ts'
import { renderProblemTable } from '../../../src/http/problems/problem-pages.ts'
import { startBroker } from '../../support/broker.ts'

const { call, url } = await startBroker(t, { loginHosts: [] })

t.test('each code has a page, in JSON and in Markdown, for anybody', async (t) => {
  for (const [code, { status, title, meaning, remedy }] of Object.entries(PROBLEMS)) {
    const path = `/problems/${code}`
    const json = await call('GET', path, { key: null })
    t.match(json, { status: 200, body: { type: path, code, status, title, meaning, remedy } })
    t.match(json.headers.get('content-type'), /^application\/json/)
    const markdown = await fetch(`${url}${path}`, { headers: { accept: 'text/markdown' } })
    t.match(markdown.headers.get('content-type'), /^text\/markdown/)
    const text = await markdown.text()
    for (const part of [title, code, String(status), meaning, remedy]) t.ok(text.includes(part))
  }
})

t.test('the list has all of them', async (t) => {
  const { body } = await call('GET', '/problems', { key: null })
  t.strictSame(
    body.items.map(({ code }: { code: string }) => code),
    Object.keys(PROBLEMS),
  )
  const page = await fetch(`${url}/problems`, { headers: { accept: 'text/markdown' } })
  t.equal((await page.text()).match(/^# /gm)?.length, Object.keys(PROBLEMS).length)
})

t.test('a browser gets what it can show, and what nobody can give is refused', async (t) => {
  const accept = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  const browser = await fetch(`${url}/problems/internal`, { headers: { accept } })
  t.match(browser.headers.get('content-type'), /^text\/html/)
  t.match(await call('GET', '/problems/internal', { headers: { accept: 'image/png' } }), {
    status: 406,
    body: { code: 'not_acceptable', type: '/problems/not_acceptable' },
  })
  t.match(await call('GET', '/problems/nothing'), { status: 404, body: { code: 'not_found' } })
})

t.test('the table of the documents has a row for each', async (t) => {
  const rows = renderProblemTable().split('\n').slice(2)
  t.strictSame(
    rows.map((row) => /^\| `(\w+)` \|/.exec(row)?.[1]),
    Object.keys(PROBLEMS),
  )
})
