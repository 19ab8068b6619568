/** Completion in the real shells: what bash and zsh offer at the place of the cursor. */
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { isOnPath } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { createCommandLine } from '../support/command-line.ts'
import { ROOT } from '../support/generated.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const broker = await startBroker(t, { loginHosts: [simulator.origins.myDomain] })
const env = { VALETKEY_URL: broker.url, VALETKEY_KEY: broker.adminKey }
const { home, run } = createCommandLine(t, env)
for (const name of ['billing', 'billing-sandbox', 'crm']) {
  const app = simulator.addClientCredentialsApp()
  await broker.call('PUT', `/integrations/${name}`, {
    body: {
      login_url: app.loginUrl,
      grant: { type: 'client_credentials', client_id: app.clientId },
      credential: { client_secret: app.clientSecret },
    },
  })
}

/** What the shell scripts ask for. */
async function offers(...words: readonly string[]): Promise<readonly string[]> {
  const { code, stdout, stderr } = await run(['complete', '--', ...words])
  t.same({ code, stderr }, { code: 0, stderr: '' })
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[0] ?? '')
}

t.test('commands, options, choices, names and files are offered', async (t) => {
  t.same(await offers('ro'), ['rotate', ':4'])
  t.same(await offers('keys', ''), ['create', 'list', 'revoke', ':4'])
  t.same(await offers('token', 'bil'), ['billing', 'billing-sandbox', ':4'])
  t.same(await offers('token', 'billing', '--out'), ['--output', ':4'])
  t.same(await offers('token', '--output', 'c'), ['curl', ':4'])
  t.same(await offers('status', '--state', 're'), ['ready', 'refused', ':4'])
  t.same(await offers('test', 'billing', 'c'), ['crm', ':4'])
  t.same(await offers('apply', '--file', ''), [':0'])
  t.same(await offers('restore', ''), [':0'])
  t.same(await offers('completion', 'z'), ['zsh', ':4'])
})

t.test('without a broker nothing is offered, and nothing is said', async (t) => {
  const away = { env: { VALETKEY_URL: 'http://127.0.0.1:9' } }
  const { code, stdout, stderr } = await run(['complete', '--', 'token', ''], away)
  t.same({ code, stdout, stderr }, { code: 0, stdout: ':4\n', stderr: '' })
})

const bin = join(home, 'bin')
mkdirSync(bin)
writeFileSync(
  join(bin, 'valetkey'),
  `#!/bin/sh\nexec "${process.execPath}" "${ROOT}src/valetkey.js" "$@"\n`,
)
chmodSync(join(bin, 'valetkey'), 0o755)

function inShell(shell: string, args: readonly string[], script: string) {
  const { stdout, stderr } = spawnSync(shell, [...args, '-c', script], {
    encoding: 'utf8',
    env: { ...env, PATH: `${bin}:${process.env.PATH}`, HOME: home, TERM: 'xterm' },
    timeout: 30_000,
  })
  return { stdout, stderr }
}

// Each shell runs beside the broker of this process, which answers meanwhile only to another process.
t.test('bash takes the script', async (t) => {
  const script = 'eval "$(valetkey completion bash)"; complete -p valetkey'
  const { stdout, stderr } = inShell('bash', ['--norc'], script)
  t.equal(stderr, '')
  t.match(stdout, /^complete .* valetkey$/m)
})

t.test('zsh takes the script', isOnPath('zsh') ? {} : { skip: 'zsh is not here' }, async (t) => {
  const script =
    'autoload -U compinit; compinit -u; source <(valetkey completion zsh); print -r -- $_comps[valetkey]'
  const { stdout, stderr } = inShell('zsh', ['-f'], script)
  t.equal(stderr, '')
  t.match(stdout, /^_valetkey$/m)
})

t.test('fish takes the script', isOnPath('fish') ? {} : { skip: 'fish is not here' }, async (t) => {
  const script = 'valetkey completion fish | source; complete --do-complete "valetkey ro"'
  t.match(inShell('fish', ['--no-config'], script).stdout, /^rotate/m)
})
