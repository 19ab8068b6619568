import { execFileSync } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { readsIn } from '../support/audit-lines.ts'
import {
  type BrokerProcess,
  newAdminKey,
  startBrokerProcess,
  startUnreadyProcess,
} from '../support/broker.ts'
import type { Call } from '../support/caller.ts'
import { eventually } from '../support/eventually.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins

function prepare(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-audit-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'audit.jsonl')
  const adminKey = newAdminKey()
  const settings = (env = {}) => ({
    adminKey,
    env: {
      VALETKEY_DATA_DIR: join(folder, 'data'),
      VALETKEY_LOGIN_HOSTS: myDomain,
      VALETKEY_LOG_LEVEL: 'debug',
      ...env,
    },
  })
  return { folder, path, settings }
}

async function register(call: Call): Promise<void> {
  const { clientId, clientSecret } = simulator.addClientCredentialsApp()
  const put = await call('PUT', '/integrations/billing', {
    body: {
      login_url: myDomain,
      grant: { type: 'client_credentials', client_id: clientId },
      credential: { client_secret: clientSecret },
    },
  })
  if (put.status !== 201) throw new Error(`not registered: ${JSON.stringify(put.body)}`)
}

/** Reads tokens until told to stop; remembers by request id what was answered with a token. */
function createReader(call: Call, name: string) {
  const answered: string[] = []
  let sent = 0
  return {
    answered,
    /** Gives the status and the code of a problem. */
    async read() {
      sent += 1
      const id = `${name}-${sent}`
      const { status, body } = await call('GET', '/tokens/billing', {
        headers: { 'x-request-id': id },
      })
      if (status === 200) answered.push(id)
      else if (body.access_token !== undefined) throw new Error('a token with a problem')
      return { status, code: body.code }
    },
  }
}

const BLOCKED = { status: 503, body: { code: 'audit_unavailable' } }

/** No token, no change; the process lives, and says that it cannot serve. */
async function assertClosed(t: Test, call: Call): Promise<void> {
  t.match(await call('GET', '/tokens/billing'), BLOCKED)
  const change = { description: 'x' }
  t.match(await call('PATCH', '/integrations/billing', { body: change }), BLOCKED)
  t.match(await call('DELETE', '/tokens/billing'), BLOCKED)
  // It may mint for this answer.
  t.match(await call('GET', '/login/billing/services/oauth2/userinfo'), {
    ...{ status: 503, body: { error_description: /^audit_unavailable: / } },
  })
  t.equal((await call('GET', '/livez')).status, 200)
  t.equal((await call('GET', '/integrations')).status, 200, 'what only reads goes on')
  const ready = await call('GET', '/readyz')
  t.equal(ready.status, 503)
  t.match(
    ready.body.checks.find(({ name }: { name: string }) => name === 'audit'),
    { ok: false },
  )
}

const recovered = (call: Call) =>
  eventually(async () => (await call('GET', '/readyz')).status === 200)

t.test('a full disk at the start: no token ever, until there is room', async (t) => {
  const { path, settings } = prepare(t)
  const first = await startBrokerProcess(t, settings({ VALETKEY_AUDIT_FILE: path }))
  await register(first.call)
  t.equal(await first.kill('SIGTERM'), 0)

  const link = `${path}.link`
  symlinkSync('/dev/full', link)
  const { call, output } = await startUnreadyProcess(t, settings({ VALETKEY_AUDIT_FILE: link }))
  await eventually(() => output().includes('audit lines cannot be written'))
  await assertClosed(t, call)

  symlinkSync(path, `${link}.new`)
  renameSync(`${link}.new`, link)
  const healedAt = performance.now()
  await recovered(call)
  t.comment(`recovered after ${Math.round(performance.now() - healedAt)} ms`)
  const reader = createReader(call, 'after')
  t.equal((await reader.read()).status, 200)
  await eventually(() => readsIn(readFileSync(path, 'utf8')).includes('after-1'))
})

const filling = 'a disk that fills up: every token that was answered has its line'
t.test(filling, { skip: canMount() ? false : 'needs the right to mount a tmpfs' }, async (t) => {
  const { folder, settings } = prepare(t)
  const disk = join(folder, 'disk')
  mountSmallDisk(disk)
  t.teardown(() => execFileSync('umount', ['--lazy', disk]))
  const path = join(disk, 'audit.jsonl')
  const { call } = await startBrokerProcess(t, settings({ VALETKEY_AUDIT_FILE: path }))
  await register(call)
  writeFileSync(join(disk, 'ballast'), Buffer.alloc(40 * 1024))
  const reader = createReader(call, 'full')
  await eventually(async () => (await reader.read()).code === 'audit_unavailable')
  t.ok(reader.answered.length > 10)
  await assertClosed(t, call)

  rmSync(join(disk, 'ballast'))
  const healedAt = performance.now()
  await recovered(call)
  t.comment(`recovered after ${Math.round(performance.now() - healedAt)} ms`)
  t.equal((await reader.read()).status, 200)
  const expected = reader.answered
  await eventually(() => readsIn(readFileSync(path, 'utf8')).includes(expected.at(-1) ?? null))
  t.strictSame(readsIn(readFileSync(path, 'utf8')), expected, 'in order, each in one piece')
})

t.test('a reader of stdout that stands still: closed after 5 s, and nothing is lost', async (t) => {
  const { settings } = prepare(t)
  const { call, child, output } = await startBrokerProcess(t, settings())
  await register(call)
  child.stdout?.pause()
  const reader = createReader(call, 'pipe')
  await eventually(async () => (await reader.read()).code === 'audit_unavailable', 60_000)
  t.ok(reader.answered.length > 100, `${reader.answered.length} reads filled the pipe`)
  await assertClosed(t, call)

  child.stdout?.resume()
  await recovered(call)
  t.equal((await reader.read()).status, 200)
  const last = reader.answered.at(-1) ?? null
  await eventually(() => readsIn(output()).includes(last))
  t.strictSame(readsIn(output()), reader.answered, 'in order, each in one piece among the log')
})

t.test('a reader of stdout that is gone: closed, and the process lives on', async (t) => {
  const { settings } = prepare(t)
  const { call, child, kill } = await startBrokerProcess(t, settings())
  await register(call)
  t.equal((await call('GET', '/tokens/billing')).status, 200)
  child.stdout?.destroy()
  // Each read is a line to write, until one cannot be written.
  await eventually(async () => (await call('GET', '/tokens/billing')).status === 503)
  await assertClosed(t, call)
  t.equal(await kill('SIGTERM'), 0, 'and it ends when it is told to')
})

t.test('strict: killed at any moment, no token was answered without its line', async (t) => {
  const { path, settings } = prepare(t)
  const env = { VALETKEY_AUDIT_FILE: path, VALETKEY_AUDIT: 'strict' }
  const { answered } = await readUntilKilled(t, await startBrokerProcess(t, settings(env)))
  const written = new Set(readsIn(readFileSync(path, 'utf8')))
  t.strictSame(
    answered.filter((id) => !written.has(id)),
    [],
    `of ${answered.length} answers`,
  )
})

t.test('batched: killed at any moment, only the last lines can be missing', async (t) => {
  const { path, settings } = prepare(t)
  const env = { VALETKEY_AUDIT_FILE: path }
  const { answered } = await readUntilKilled(t, await startBrokerProcess(t, settings(env)), 1)
  const written = readsIn(readFileSync(path, 'utf8'))
  const both = Math.min(written.length, answered.length)
  t.strictSame(written.slice(0, both), answered.slice(0, both), 'a beginning, without holes')
  t.comment(`${answered.length - both} of ${answered.length} lines missing`)
  t.ok(both > 0)
})

/** Several at once read as fast as they can; the process is killed meanwhile. */
async function readUntilKilled(t: Test, { call, kill }: BrokerProcess, readers = 8) {
  await register(call)
  const all = Array.from({ length: readers }, (_, index) => createReader(call, `reader-${index}`))
  const loops = all.map(async ({ read }) => {
    for (;;) {
      try {
        t.equal((await read()).status, 200)
      } catch {
        return
      }
    }
  })
  await eventually(() => all.every(({ answered }) => answered.length > 200))
  await kill('SIGKILL')
  await Promise.all(loops)
  return { answered: all.flatMap(({ answered }) => answered) }
}

/** With 64 KiB of room. */
function mountSmallDisk(path: string): void {
  mkdirSync(path)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', path], { stdio: 'ignore' })
}

function canMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-mount-'))
  try {
    mountSmallDisk(join(folder, 'disk'))
    execFileSync('umount', [join(folder, 'disk')])
    return true
  } catch {
    return false
  } finally {
    rmSync(folder, { recursive: true })
  }
}
