/** What an operator reads when the start goes wrong, or well: one line with the cause and what to do; a banner at a terminal. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Environment } from '../../src/config/config.ts'
import { folderTrouble } from '../../src/store/embedded/data-folder.ts'
import { newAdminKey, spawnValetkey } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { ROOT } from '../support/project-root.ts'
import { hasCommand, startShell } from '../support/shell.ts'

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'valetkey-start-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

/** Runs a command to its end. */
async function run(args: readonly string[], env: Environment = {}) {
  return ended(spawnValetkey(args, env))
}

async function ended(child: ReturnType<typeof spawn>) {
  let stdout = ''
  let stderr = ''
  child.stdout?.on('data', (text) => {
    stdout += text
  })
  child.stderr?.on('data', (text) => {
    stderr += text
  })
  const [code] = await once(child, 'close')
  return { code, stdout, stderr }
}

const withScript = hasCommand('script') ? {} : { skip: 'script is not on the PATH' }

t.test(
  'a folder that cannot be had is named with the cause and what to do, in one line',
  async (t) => {
    const home = await folder(t)
    const file = join(home, 'file')
    await writeFile(file, 'x')
    const loop = join(home, 'loop')
    await symlink(loop, loop)
    const cases = {
      [file]: /it is a file: use a folder/,
      [join(file, 'data')]: /a part of the path is a file/,
      '/dev/null/data': /a part of the path is a file/,
      // Node's own recursive mkdir never returns there.
      '/proc/valetkey/data': /cannot contain a folder: use one on a disk/,
      '/proc/valetkey': /cannot contain a folder: use one on a disk/,
      '/sys/valetkey': /use a/,
      [loop]: /use a/,
      [join(home, 'x'.repeat(300))]: /its name is too long/,
    }
    for (const [dataDir, words] of Object.entries(cases)) {
      for (const keys of [{}, { VALETKEY_KEYRING: undefined, VALETKEY_ADMIN_KEY: newAdminKey() }]) {
        const { code, stdout, stderr } = await run(['serve'], {
          ...{
            VALETKEY_PORT: '0',
            VALETKEY_METRICS_PORT: '0',
            VALETKEY_DATA_DIR: dataDir,
            ...keys,
          },
        })
        t.equal(code, 78, dataDir)
        t.equal(stdout, '')
        t.match(stderr, /^valetkey: VALETKEY_DATA_DIR: The data folder \S+ cannot be .*\n$/)
        t.match(stderr, words)
      }
    }
  },
)

t.test('a folder that this user may not write to is said to be so', async (t) => {
  const refused = folderTrouble('/data', Object.assign(new Error(), { code: 'EACCES' }))
  t.equal(
    refused,
    'The data folder /data cannot be used (EACCES): this user may not write there: change its permissions, or use another folder',
  )
})

t.test('a configuration file that cannot be read is named with the cause', async (t) => {
  const home = await folder(t)
  const env = { VALETKEY_PORT: '0', VALETKEY_METRICS_PORT: '0', VALETKEY_DATA_DIR: join(home, 'd') }
  const path = join(home, 'none.yaml')
  const missing = await run(['serve'], { ...env, VALETKEY_CONFIG: path })
  t.equal(missing.code, 78)
  t.equal(
    missing.stderr,
    `valetkey: VALETKEY_CONFIG: ${path} cannot be read: there is no such file (ENOENT)\n`,
  )
  const folded = await run(['serve'], { ...env, VALETKEY_CONFIG: home })
  t.match(folded.stderr, `${home} cannot be read: it is a directory (EISDIR)`)
})

t.test(
  'in a terminal it begins with where it is, and where the admin key lies',
  withScript,
  async (t) => {
    const dataDir = join(await folder(t), 'data')
    const command = `exec ${process.execPath} ${ROOT}src/valetkey.js serve`
    // `script` gives the command a terminal, and ends with it what it started itself.
    const shell = startShell(t, `exec script --quiet --return --command '${command}' /dev/null`, {
      cwd: await folder(t),
      env: { VALETKEY_PORT: '0', VALETKEY_METRICS_PORT: '0', VALETKEY_DATA_DIR: dataDir },
    })
    // The log and the banner come in any order, and a terminal gives a line piece by piece.
    const output = await eventually(() => {
      if (!shell.isRunning()) throw new Error(shell.output())
      const isWhole = [/Admin key[^\n]*\n/, /"listening"}/].every((part) =>
        part.test(shell.output()),
      )
      return isWhole ? shell.output() : undefined
    })
    const [, port] = /"port":(\d+)/.exec(output) ?? []
    t.match(output, /^Valetkey \d+\.\d+\.\d+\r?$/m)
    t.match(output, new RegExp(`API +http://127.0.0.1:${port}`))
    t.match(output, new RegExp(`Documentation +http://127.0.0.1:${port}/docs`))
    t.match(output, new RegExp(`Status page +http://127.0.0.1:${port}/status`))
    t.match(output, new RegExp(`Store +embedded, in ${dataDir}`))
    t.match(output, new RegExp(`Admin key +in ${join(dataDir, 'admin.key')}`))
    t.notMatch(output, (await readFile(join(dataDir, 'admin.key'), 'utf8')).trim())
    await shell.stop()
    await eventually(() => isFree(Number(port)))
  },
)

/** Nobody listens there. */
const isFree = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => socket.destroy()).once('connect', () => resolve(false))
    socket.once('error', () => resolve(true))
  })

const simulate = (...flags: readonly string[]) =>
  ended(spawn(process.execPath, ['simulator/main.ts', ...flags], { cwd: ROOT, stdio: 'pipe' }))

t.test('the simulator says its flags, and a mistake in one line', async (t) => {
  const help = await simulate('--help')
  t.equal(help.code, 0)
  for (const flag of ['--port', '--seed', '--certificate', '--tls-key', '--json', '--help']) {
    t.match(help.stdout, flag)
  }
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  const { port } = taken.address() as { port: number }
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [['--nonsense'], /--nonsense.*See --help/],
    [['--port', 'x'], /--port must be a number/],
    [['--port', '70000'], /--port must be a number/],
    [['--port', String(port)], new RegExp(`port ${port} is in use`)],
    [['--port', '0', '--certificate', '/none.pem'], /\/none.pem cannot be read \(ENOENT\)/],
    [['--port', '0', '--tls-key', 'x'], /go together/],
  ]
  for (const [flags, words] of cases) {
    const { code, stdout, stderr } = await simulate(...flags)
    t.equal(code, 64, flags.join(' '))
    t.equal(stdout, '')
    t.match(stderr, /^simulator: [^\n]*\n$/)
    t.match(stderr, words)
  }
})

const withProc = existsSync('/proc/self/environ') ? {} : { skip: 'there is no /proc' }

t.test(
  'a start without limits of memory gets those of the image, in the same process',
  withProc,
  async (t) => {
    const dockerfile = await readFile(`${ROOT}Dockerfile`, 'utf8')
    const [, entry = '[]'] = /^ENTRYPOINT (.+)$/m.exec(dockerfile) ?? []
    const limit = (JSON.parse(entry) as string[]).find((text) => text.includes('semi-space'))
    const [arenas] = /MALLOC_ARENA_MAX=\d+/.exec(dockerfile) ?? []
    if (limit === undefined || arenas === undefined) throw new Error('The image has no limits')
    const start = async (nodeArgs: readonly string[], env: Environment) => {
      const dataDir = join(await folder(t), 'data')
      const child = spawn(process.execPath, [...nodeArgs, `${ROOT}src/valetkey.js`, 'serve'], {
        env: { VALETKEY_PORT: '0', VALETKEY_METRICS_PORT: '0', VALETKEY_DATA_DIR: dataDir, ...env },
      })
      t.teardown(() => child.kill('SIGKILL'))
      let output = ''
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (text) => {
          output += text
        })
      }
      await eventually(() => {
        if (child.exitCode !== null) throw new Error(output)
        return output.includes('"listening"')
      })
      const of = async (file: string) =>
        (await readFile(`/proc/${child.pid}/${file}`, 'utf8')).split('\0')
      const ended = once(child, 'exit')
      const found = { command: await of('cmdline'), env: await of('environ'), output }
      child.kill('SIGTERM')
      t.same(await ended, [0, null], 'it hears signals as before')
      return found
    }
    const plain = await start([], {})
    t.ok(plain.command.includes(limit))
    t.ok(plain.env.includes(arenas))
    t.notMatch(plain.output, /Warning/)
    const own = await start(['--max-semi-space-size=32'], { MALLOC_ARENA_MAX: '1' })
    t.notOk(own.command.includes(limit), 'another limit stays')
    t.ok(own.env.includes('MALLOC_ARENA_MAX=1'))
  },
)
