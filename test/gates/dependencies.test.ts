import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const SRC = new URL('../../src/', import.meta.url).pathname
const MOST = 7

const INTERFACES =
  /^(?:export )?interface (\w+(?:Dependencies|Options|Composition))\b([^{]*)\{\n([\s\S]*?)^\}/gm

/** Dependencies that only one factory takes stand in its signature. */
const SIGNATURES = /^(?:export )?(?:async )?function\*? ?(\w+)\(\w+: ()\{\n([\s\S]*?)^\}\)/gm

const countOf = (header: string, body: string): number => {
  const picked = header.includes('Omit<') ? [] : (header.match(/'\w+'/g) ?? [])
  const own = body.match(/^ {2}(?:readonly )?\w+\??(?:\(|<|:)/gm) ?? []
  return picked.length + own.length
}

t.test('a factory takes at most seven dependencies', async (t) => {
  let count = 0
  for (const file of readdirSync(SRC, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(join(SRC, file), 'utf8')
    const found = [...text.matchAll(INTERFACES), ...text.matchAll(SIGNATURES)]
    for (const [, name = '', header = '', body = ''] of found) {
      count += 1
      t.ok(countOf(header, body) <= MOST, `${file} ${name}: ${countOf(header, body)}`)
    }
  }
  t.ok(count > 100, 'the interfaces were found')
})
