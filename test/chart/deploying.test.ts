/** The values that docs/deploying.md tells people to write. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { unlessProvided } from '../support/apt.ts'
import { readDocument } from '../support/document.ts'
import { provideHelm, renderChart } from '../support/helm.ts'

const skip = unlessProvided(await provideHelm(console.error))
const { text } = readDocument('docs/deploying.md')
const fences = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, kind = '', body = '']) => ({
  kind,
  body,
}))

t.test('every values.yaml of the page renders', { skip }, async (t) => {
  const files = fences.filter(({ body }) => body.startsWith('# values.yaml\n'))
  t.equal(files.length, 2)
  for (const [index, { body }] of files.entries()) {
    const path = join(t.testdir(), `${index}.yaml`)
    await writeFile(path, body)
    const objects = await renderChart({ values: [path] })
    t.ok(objects.some(({ kind }) => kind === 'Deployment'))
  }
})

t.test('every value that the page names is one', async (t) => {
  const { valueRows } = await import('../support/chart-docs.ts')
  const paths = valueRows().map(({ path }) => path)
  const named = [
    ...text.replace(/^```.*?^```$/gms, '').matchAll(/`([a-z]\w+\.[a-z]\w+(?:\.\w+)?)`/g),
  ]
    .map(([, name = '']) => name)
    .filter((name) => !/\.(yaml|json|md)$/.test(name))
  t.ok(named.length > 10)
  for (const name of named) {
    t.ok(
      paths.some((path) => path === name || path.startsWith(`${name}.`)),
      name,
    )
  }
})

t.test('what the page calls the image is what the chart looks for', { skip }, async (t) => {
  const deployment = (await renderChart()).find(({ kind }) => kind === 'Deployment')
  const { image } = deployment?.spec.template.spec.containers[0] ?? {}
  const [{ body } = { body: '' }] = fences
  t.ok(body.includes(`docker build -t ${image} .`) && body.includes(`docker-image ${image}`), image)
  t.equal(body.trim().split('\n').length, 5, 'five commands')
})
