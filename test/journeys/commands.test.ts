/** The commands that do one thing and end, and what is said to whoever asks for another. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t from 'tap'
import { COMMANDS } from '../../src/command/table.ts'
import { ENTRY_POINT, SOURCE_ENTRY_POINT } from '../support/entry-point.ts'

interface Options {
  /** Default: this one. */
  readonly node?: string
  /** A file descriptor. Default: a pipe. */
  readonly stdout?: number
}

/** Runs a command to its end. */
function run(args: readonly string[], { node = process.execPath, stdout }: Options = {}) {
  const { status, ...written } = spawnSync(node, [ENTRY_POINT, ...args], {
    ...{ encoding: 'utf8', stdio: ['ignore', stdout ?? 'pipe', 'pipe'] },
  })
  return { code: status, stdout: written.stdout, stderr: written.stderr }
}

t.test('keygen prints a sealing key, another one each time', async (t) => {
  const [first, second] = [run(['keygen']), run(['keygen'])]
  t.match(first, { code: 0, stdout: /^[\w-]+:[A-Za-z0-9+/]{43}=\n$/, stderr: '' })
  t.not(first.stdout, second.stdout)
})

t.test('keygen onto a full disk says so in one line', async (t) => {
  const full = openSync('/dev/full', 'w')
  t.teardown(() => closeSync(full))
  const { code, stderr } = run(['keygen'], { stdout: full })
  t.same({ code, stderr }, { code: 74, stderr: 'valetkey: stdout cannot be written (ENOSPC)\n' })
})

t.test('a command that there is not is answered with those that there are', async (t) => {
  for (const args of [['nonsense'], ['constructor']]) {
    const { code, stdout, stderr } = run(args)
    t.same({ code, stdout }, { code: 64, stdout: '' }, args.join(' '))
    t.match(stderr, /unknown command.*usage: valetkey.*serve.*keygen/s)
  }
  t.match(run(['serve', '--port=80']), {
    code: 64,
    stderr: /unknown option.*usage: valetkey serve/s,
  })
})

t.test('what is misspelt is told what it may mean', async (t) => {
  t.match(run(['stauts']), { code: 64, stderr: /Did you mean status\?/ })
  t.match(run(['token', 'billing', '--min-tl', '5']), {
    code: 64,
    stderr: /Did you mean --min-ttl\?/,
  })
  t.match(run(['status', '--state', 'ill']), { code: 64, stderr: /Allowed choices are draft/ })
  t.match(run(['token', 'billing', '--min-ttl', 'x']), { code: 64, stderr: /whole number/ })
  t.match(run(['token']), { code: 64, stderr: /missing required argument 'NAME'/ })
  t.match(run(['keys']), { code: 64 })
})

t.test('every command has help, with an example first', async (t) => {
  const overview = run(['--help'])
  t.equal(overview.code, 0)
  t.same(run(['help']).stdout, overview.stdout)
  for (const { name } of COMMANDS) {
    t.match(overview.stdout, `  ${name} `)
    const words = name.split(' ')
    const { code, stdout, stderr } = run([...words, '--help'])
    t.same({ code, stderr }, { code: 0, stderr: '' }, name)
    t.match(stdout, /^[^\n]+\n\nExamples:\n {2}\S.*\n\nUsage: valetkey .*\nExit codes:\n/s, name)
    for (const line of stdout.split('\n')) t.ok(line.length <= 150, line)
  }
  t.same(run(['help', 'keys', 'create']).stdout, run(['keys', 'create', '-h']).stdout)
})

t.test('the version says the commit', async (t) => {
  t.match(run(['--version']), { code: 0, stdout: /^valetkey \d+\.\d+\.\d+ \([0-9a-f]{12}\)\n$/ })
})

t.test('an API key among the arguments is refused and not repeated', async (t) => {
  const key = `vk_abcdefgh_${'x'.repeat(49)}`
  for (const args of [
    ['login', key],
    ['token', 'billing', `--key=${key}`],
  ]) {
    const { code, stdout, stderr } = run(args)
    t.same({ code, stdout }, { code: 64, stdout: '' })
    t.match(stderr, /an argument is an API key/)
    t.notMatch(stderr, key)
  }
})

t.test('a command for a broker loads no code of the service', async (t) => {
  const hook = `data:text/javascript,${encodeURIComponent(
    "import { registerHooks } from 'node:module'; registerHooks({ load: (url, context, next) => { process._rawDebug(url); return next(url, context) } })",
  )}`
  const args = ['--import', hook, SOURCE_ENTRY_POINT, 'status', '--url', 'http://127.0.0.1:9']
  const { status, stderr } = spawnSync(process.execPath, args, {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, VALETKEY_KEY: 'x' },
  })
  t.equal(status, 69)
  const own = [...stderr.matchAll(/src\/(\S+)/g)].map(([, file = '']) => file)
  t.ok(own.length > 10)
  const others = own.filter(
    (file) =>
      !/^(?:valetkey\.js|client\/|command\/|config\/config-error\.ts|process\/(?:main|version)\.ts)/.test(
        file,
      ),
  )
  t.same(others, [])
  const packages = new Set(
    [...stderr.matchAll(/node_modules\/((?:@[^/]+\/)?[^/]+)/g)].map(([, name]) => name),
  )
  t.same([...packages].sort(), ['commander'])
})

/** One that is too old to run the service, if the machine has it. */
function oldNode(): string | undefined {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .concat('/usr/local/bin', '/usr/bin')
    .map((path) => join(path, 'node'))
    .find((node) => {
      const major = /^v(\d+)\./.exec(
        spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout ?? '',
      )
      return major !== null && Number(major[1]) >= 16 && Number(major[1]) < 24
    })
}

const old = oldNode()
const skip = old === undefined && 'there is no older Node on this machine'
t.test('an older Node is told so in one line', { skip }, async (t) => {
  const { code, stdout, stderr } = run(['serve'], { ...(old !== undefined && { node: old }) })
  t.equal(code, 78)
  t.equal(stdout, '')
  t.match(stderr, /^valetkey needs Node 24 .*nodejs\.org.*\n$/)
})
