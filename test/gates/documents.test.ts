import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { AuditEventSchema } from '../../src/audit/schemas.ts'
import { CHECKS } from '../../src/doctor/check.ts'
import { PROBLEMS } from '../../src/errors/problems.ts'
import { REFUSALS } from '../../src/grants/refusals/refusal-table.ts'
import { readDocument } from '../support/document.ts'
import { ROOT } from '../support/project-root.ts'

const DOCUMENTS = ['.', 'bench', 'docs', 'examples', 'helm', 'simulator'].flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((file) => file.endsWith('.md'))
    .map((file) => join(folder, file)),
)

/** As hosting sites make it of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')

const anchorsIn = (text: string) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => anchorOf(heading))

/** Code spans, and not the fences. */
const namedIn = (text: string) =>
  [...text.replace(/^```.*?^```$/gms, '').matchAll(/`([^`\n]+)`/g)].map(([, name = '']) => name)

t.test('every link of the documents leads somewhere', async (t) => {
  t.ok(DOCUMENTS.length > 6)
  for (const path of DOCUMENTS) {
    const { text } = readDocument(path)
    const links = [/\]\(([^)\s]+)\)/g, / src(?:set)?="([^"]+)"/g].flatMap((form) =>
      [...text.matchAll(form)].map(([, to = '']) => to),
    )
    for (const link of links.filter((one) => !one.includes('://'))) {
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? path : join(dirname(path), file)
      t.ok(existsSync(join(ROOT, target)), `${path}: ${link}`)
      if (anchor !== undefined) {
        t.ok(anchorsIn(readDocument(target).text).includes(anchor), `${path}: ${link}`)
      }
    }
  }
})

t.test('every page that the code refers to is there', async (t) => {
  const folders = ['src', 'simulator', 'examples', 'helm/files', 'helm/templates']
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }).filter((entry) =>
      entry.isFile(),
    ),
  )
  const references = files.flatMap(({ parentPath, name }) => {
    const text = readFileSync(join(parentPath, name), 'utf8')
    return [...text.matchAll(/\b(docs\/[\w-]+\.md)(?:#([\w-]+))?/g)].map(
      ([, page = '', anchor]) => ({ page, anchor, name }),
    )
  })
  t.ok(references.length > 30)
  for (const { page, anchor, name } of references) {
    t.ok(existsSync(join(ROOT, page)), `${name}: ${page}`)
    if (anchor !== undefined) {
      t.ok(anchorsIn(readDocument(page).text).includes(anchor), `${name}: ${page}#${anchor}`)
    }
  }
})

t.test('every file that the documents name is there', async (t) => {
  const pages = DOCUMENTS.filter((path) => path.startsWith('docs/'))
  for (const path of ['ARCHITECTURE.md', 'SECURITY.md', 'README.md', ...pages]) {
    const files = namedIn(readDocument(path).text).filter((name) => /^(src|test)\//.test(name))
    for (const file of files) t.ok(existsSync(join(ROOT, file)), `${path}: ${file}`)
  }
})

t.test('the README is short, and the index has every page', async (t) => {
  t.ok(readDocument('README.md').text.split('\n').length <= 251)
  const index = readDocument('docs/README.md').text
  const pages = DOCUMENTS.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md')
  t.ok(pages.length > 20)
  for (const page of pages) t.ok(index.includes(`](${page.slice('docs/'.length)}`), page)
})

t.test('docs/audit.md names every member that `detail` of an event may have', async (t) => {
  const [, row = ''] = /^\| `detail` \| (.*) \|$/m.exec(readDocument('docs/audit.md').text) ?? []
  const stored = Object.keys(AuditEventSchema.properties.detail.properties)
  t.ok(stored.length > 10)
  t.strictSame(new Set(namedIn(row)), new Set([...stored, 'method', 'path', 'jti']))
})

t.test('ARCHITECTURE.md has the order of imports that is held', async (t) => {
  const gate = readFileSync(join(ROOT, 'test/gates/import-order.test.ts'), 'utf8')
  const [, list = ''] = /const ORDER = \[(.*?)\]/s.exec(gate) ?? []
  const held = [...list.matchAll(/'([\w-]+)'/g)].map(([, name]) => name)
  const { text } = readDocument('ARCHITECTURE.md')
  const [, written = ''] = /\n\n(client · .*?)\n\n/s.exec(text) ?? []
  t.strictSame(written.replaceAll('\n', ' ').split(' · '), held)
})

t.test(
  'a problem or a refusal that the page for the night names is one that can be met',
  async (t) => {
    const { text } = readDocument('docs/troubleshooting.md')
    for (const [, status, code = ''] of text.matchAll(/`(\d{3}) (\w+)`/g)) {
      t.equal(PROBLEMS[code as keyof typeof PROBLEMS]?.status, Number(status), code)
    }
    const reasons = [...text.matchAll(/with the reason (.*?)\|/g)].flatMap(([, row = '']) =>
      namedIn(row),
    )
    t.ok(reasons.length > 1)
    for (const reason of reasons) t.ok(Object.hasOwn(REFUSALS, reason), reason)
  },
)

t.test('every check of the doctor is explained, in its order', async (t) => {
  const { text } = readDocument('docs/troubleshooting.md')
  const [, table = ''] = /\| check \| passes when \|\n(.*?)\n\n/s.exec(text) ?? []
  const explained = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name)
  t.strictSame(explained, Object.keys(CHECKS))
})
