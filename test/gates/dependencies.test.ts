import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'

const SRC = new URL('../../src/', import.meta.url).pathname
const MOST = 7

const INTERFACES = /^(?:export )?interface (\w+)(?:<[^>{]*>)?([^{]*)\{(?:\}|\n([\s\S]*?)^\})/gm
const ALIASES =
  /^(?:export )?type (\w+)(?:<[^>=]*>)? =\s*([\s\S]*?)(?=\n\n|\n(?:export|interface|const|function|type|\/\*\*)|$(?![\s\S]))/gm
const OF_FACTORIES = /\w(?:Dependencies|Options|Composition|Parts)$/

interface Declared {
  readonly file: string
  readonly name: string
  /** Names of members that it declares itself. */
  readonly own: readonly string[]
  /** Types whose members it has, too. */
  readonly parents: readonly string[]
}

const membersIn = (body: string) =>
  [...body.matchAll(/^ {2}(?:readonly )?(\w+)\??(?:\(|<|:)/gm)].map(([, name = '']) => name)

/** Splits a list at its top level. */
function split(list: string, at: string): readonly string[] {
  const parts = ['']
  let depth = 0
  for (const character of list.replace(/=>/g, '  ')) {
    if ('<({['.includes(character)) depth += 1
    if ('>)}]'.includes(character)) depth -= 1
    if (character === at && depth === 0) parts.push('')
    else parts[parts.length - 1] += character
  }
  return parts.map((part) => part.trim()).filter((part) => part !== '')
}

function declaredIn(file: string, text: string): readonly Declared[] {
  const interfaces = [...text.matchAll(INTERFACES)].map(
    ([, name = '', header = '', body = '']) => ({
      ...{ file, name, own: membersIn(body) },
      parents: split(header.trim().replace(/^extends\b/, ''), ','),
    }),
  )
  const aliases = [...text.matchAll(ALIASES)].map(([, name = '', of = '']) => ({
    ...{ file, name, own: [] },
    parents: split(of, '&'),
  }))
  return [...interfaces, ...aliases]
}

/** Counts members, inherited ones included. */
function createCounter(all: readonly Declared[]) {
  const find = (name: string, file: string) =>
    all.find((one) => one.name === name && one.file === file) ??
    all.find((one) => one.name === name)

  const ofDeclared = (declared: Declared): ReadonlySet<string> =>
    new Set([
      ...declared.own,
      ...declared.parents.flatMap((parent) => [...ofType(parent, declared.file)]),
    ])

  /** None, where the type is not of this source or has no members, such as a union. */
  const ofType = (type: string, file: string): ReadonlySet<string> => {
    const [, outer = '', inner] = /^([\w.]+)(?:<([\s\S]*)>)?$/.exec(type) ?? []
    const [first = '', keys = ''] = split(inner ?? '', ',')
    const named = [...keys.matchAll(/'(\w+)'/g)].map(([, key = '']) => key)
    if (outer === 'Pick') return new Set(named)
    if (outer === 'Omit') {
      return new Set([...ofType(first, file)].filter((member) => !named.includes(member)))
    }
    if (['Partial', 'Required', 'Readonly'].includes(outer)) return ofType(first, file)
    if (type.startsWith('{')) return new Set(membersIn(type.slice(1)))
    const declared = find(outer, file)
    return declared ? ofDeclared(declared) : new Set()
  }
  return (declared: Declared) => ofDeclared(declared).size
}

const declared = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts'))
  .flatMap((file) => declaredIn(file, readFileSync(join(SRC, file), 'utf8')))

t.test('a factory takes at most seven dependencies', async (t) => {
  const countOf = createCounter(declared)
  const taken = declared.filter(({ name }) => OF_FACTORIES.test(name))
  t.ok(taken.length > 100, 'the interfaces were found')
  for (const one of taken) t.ok(countOf(one) <= MOST, `${one.file} ${one.name}: ${countOf(one)}`)
})

t.test('inherited members count', async (t) => {
  const text = `interface Base {
  readonly a: number
  b?(): void
}

interface OneOptions extends Base, Pick<Other, 'x' | 'y'> {
  readonly c: { readonly d: number }
}

interface TwoOptions extends Omit<OneOptions, 'a' | 'x'> {}

type ThreeOptions = Omit<TwoOptions, 'c'> & { readonly e: number } & Partial<Base>
`
  const all = declaredIn(
    'file.ts',
    text.replace('{ readonly e: number }', '{\n  readonly e: number\n}'),
  )
  const countOf = createCounter(all)
  t.same(Object.fromEntries(all.map((one) => [one.name, countOf(one)])), {
    ...{ Base: 2, OneOptions: 5, TwoOptions: 3, ThreeOptions: 4 },
  })
})
