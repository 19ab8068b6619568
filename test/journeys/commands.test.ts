/** The commands that do one thing and end, and what is said to whoever asks for another. */
import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import t from 'tap'

const ENTRY_POINT = join(import.meta.dirname, '../../src/valetkey.js')

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
  for (const args of [['nonsense'], ['constructor'], ['serve', '--port=80']]) {
    const { code, stdout, stderr } = run(args)
    t.same({ code, stdout }, { code: 64, stdout: '' }, args.join(' '))
    t.match(stderr, /usage: valetkey.*serve.*keygen/s)
  }
  t.equal(run(['--help']).code, 0)
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
