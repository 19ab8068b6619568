/** Completion in the real shells: what bash, zsh and fish offer at the place of the cursor. */
import { execFile } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { provideCommand, unlessProvided } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { createCommandLine } from '../support/command-line.ts'
import { ENTRY_POINT } from '../support/entry-point.ts'

t.setTimeout(120_000)

const execute = promisify(execFile)
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

/** What the scripts of the shells ask for; the last one says whether files are offered. */
async function offers(...words: readonly string[]): Promise<readonly string[]> {
  const { code, stdout, stderr } = await run(['complete', '--', ...words])
  t.same({ code, stderr }, { code: 0, stderr: '' })
  return stdout
    .trim()
    .split('\n')
    .map((line) => line.split('\t')[0] ?? '')
}

t.test('commands, options, choices, names and files are offered', async (t) => {
  t.same(await offers('ro'), ['rotate', ':none'])
  t.same(await offers('help', 'ro'), ['rotate', ':none'])
  t.same(await offers('keys', ''), ['create', 'list', 'revoke', ':none'])
  t.same(await offers('token', 'bil'), ['billing', 'billing-sandbox', ':none'])
  t.same(await offers('token', 'billing', ''), [':none'], 'it takes one name')
  t.same(await offers('token', 'billing', '--out'), ['--output', ':none'])
  t.same(await offers('token', '--output', 'c'), ['curl', ':none'])
  t.same(await offers('token', '--output=c'), ['--output=curl', ':none'])
  t.same(await offers('token', '--output', '=', 'c'), ['curl', ':none'], 'as bash splits it')
  t.same(await offers('token', '-o', ''), ['token', 'header', 'json', 'env', 'curl', ':none'])
  t.same(await offers('status', '--state', 're'), ['ready', 'refused', ':none'])
  t.same(await offers('test', 'billing', 'c'), ['crm', ':none'])
  t.same(await offers('token', '--min-ttl', '60', 'c'), ['crm', ':none'])
  t.same(await offers('apply', '--file', ''), [':files'])
  t.same(await offers('restore', ''), [':files'])
  t.same(await offers('completion', 'z'), ['zsh', ':none'])
  t.same(await offers('nonsense', ''), [':none'])
})

t.test('without a broker nothing is offered, and nothing is said', async (t) => {
  const away = { env: { VALETKEY_URL: 'http://127.0.0.1:9' } }
  const { code, stdout, stderr } = await run(['complete', '--', 'token', ''], away)
  t.same({ code, stdout, stderr }, { code: 0, stdout: ':none\n', stderr: '' })
})

const bin = join(home, 'bin')
mkdirSync(bin)
writeFileSync(
  join(bin, 'valetkey'),
  `#!/bin/sh\nexec "${process.execPath}" "${ENTRY_POINT}" "$@"\n`,
)
chmodSync(join(bin, 'valetkey'), 0o755)
writeFileSync(join(home, 'integrations.yaml'), '')

const inShell = (command: string, args: readonly string[], script: string) =>
  execute(command, [...args, '-c', script], {
    cwd: home,
    env: { ...env, PATH: `${bin}:${process.env.PATH}`, HOME: home, TERM: 'xterm' },
    timeout: 60_000,
  })

t.test('bash completes, and evaluates nothing that is typed', async (t) => {
  const completed = async (...words: readonly string[]) => {
    const quoted = words.map((word) => `'${word}'`).join(' ')
    const script = `eval "$(valetkey completion bash)"
      COMP_WORDS=(valetkey ${quoted}); COMP_CWORD=${words.length}
      _valetkey; printf '%s\\n' "\${COMPREPLY[@]}"`
    const { stdout, stderr } = await inShell('bash', ['--norc'], script)
    t.equal(stderr, '')
    return stdout.trim().split('\n')
  }
  t.same(await completed('rot'), ['rotate'])
  t.same(await completed('token', 'bil'), ['billing', 'billing-sandbox'])
  t.same(await completed('apply', '-f', 'int'), ['integrations.yaml'])
  await completed('token', '$(touch evaluated)')
  t.notOk(existsSync(join(home, 'evaluated')))
})

const zsh = { skip: unlessProvided(provideCommand('zsh', console.error)) }
t.test('zsh completes', zsh, async (t) => {
  const script = `autoload -U compinit; compinit -u; source <(valetkey completion zsh)
    _describe() { print -rl -- "\${(@P)2}" }
    _files() { print files }
    words=(valetkey token bil); CURRENT=3; _valetkey
    words=(valetkey apply -f ''); CURRENT=4; _valetkey
    print -r -- $_comps[valetkey]`
  const { stdout, stderr } = await inShell('zsh', ['-f'], script)
  t.same([stdout, stderr], ['billing:\nbilling-sandbox:\nfiles\n_valetkey\n', ''])
})

const fish = { skip: unlessProvided(provideCommand('fish', console.error)) }
t.test('fish completes', fish, async (t) => {
  const script = `valetkey completion fish | source
    for line in "valetkey rot" "valetkey token bil" "valetkey keys " "valetkey apply -f int"
      complete --do-complete "$line"
    end`
  const { stdout } = await inShell('fish', ['--no-config'], script)
  const offered = stdout.split('\n').map((line) => line.split('\t')[0])
  t.same(offered, [
    ...['rotate', 'billing', 'billing-sandbox', 'create', 'list', 'revoke', 'integrations.yaml'],
    '',
  ])
})
