/**
 * Every command of every page, in each shell: each shell starts the same commands with the same
 * arguments. What is started is recorded and not run; the other journeys run the commands for real.
 */
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readDocument } from '../support/document.ts'
import { ROOT } from '../support/project-root.ts'
import { hasCommand, SHELLS, type ShellName, startShell } from '../support/shell.ts'

const FOLDERS = ['', 'docs', 'bench', 'examples', 'helm', 'simulator']
const PAGES = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder))
    .filter((name) => name.endsWith('.md') && name !== 'CHANGELOG.md')
    .map((name) => join(folder, name)),
)
/** Commands that leave the shell; the others that pages use are harmless, and run. */
const RECORDED = [
  ...['curl', 'docker', 'helm', 'kind', 'kubectl', 'node', 'npm', 'npx', 'openssl', 'python3'],
  ...[
    'bao',
    'redis-cli',
    'sha256sum',
    'sf',
    'sh',
    'valetkey',
    'keytool',
    'journalctl',
    'systemctl',
    'jq',
    'date',
    'grep',
    'softhsm2-util',
    'pkcs11-tool',
  ],
]
/** Behind each argument, and behind each call. */
const END_OF_ARGUMENT = '\u001f'
const END_OF_CALL = '\u001e'
/** What an answer could be for those that go on with it. */
const ANSWER = '{"id":"1","state":"staged","can_be_dropped":true,"phase":"activated"}'

/** Starts as a command does: at the beginning of a line, or behind what assigns its output. */
const COMMAND = new RegExp(`^(?:\\w+=\\$\\()?(?:${RECORDED.join('|')}|export) `)

interface Recorded {
  readonly status: number | null
  readonly output: string
  /** Each command that was started with its arguments, sorted: those of a pipe start in any order. */
  readonly calls: readonly string[]
}

async function record(t: Test, script: string, shell: ShellName): Promise<Recorded> {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-commands-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'data/admin.key'), 'the-admin-key')
  const bin = join(folder, 'bin')
  const log = join(folder, 'calls')
  mkdirSync(bin)
  writeFileSync(log, '')
  // It reads nothing: for a shell that takes typed text, the input of a command is the text.
  const stub = `#!/bin/sh
call=$(printf '%s\\037' "\${0##*/}" "$@"; printf '\\036')
printf '%s' "$call" >> "$CALLS"
printf '%s\\n' "$ANSWER"
`
  for (const command of RECORDED) {
    writeFileSync(join(bin, command), stub)
    chmodSync(join(bin, command), 0o755)
  }
  mkdirSync(join(folder, 'run/valetkey'), { recursive: true })
  for (const file of ['run/valetkey/keyring', 'keys.jks', 'values.yaml']) {
    writeFileSync(join(folder, file), 'a,b')
  }
  // A command in the background may begin after the last one ends.
  const here = `${script.replaceAll('/run/secrets/', `${folder}/run/`).replaceAll('/var/run/', '/run/')}\nwait`
  const running = startShell(t, here, {
    cwd: folder,
    shell,
    env: {
      ...{ PATH: `${bin}:${process.env.PATH}`, CALLS: log, ANSWER, HOME: folder },
      ...Object.fromEntries(VARIABLES.map((name) => [name, `the-${name}`])),
    },
  })
  const status = await running.ended
  await running.stop()
  const calls = readFileSync(log, 'utf8').replaceAll(folder, 'FOLDER').split(END_OF_CALL)
  calls.sort()
  return { status, output: running.output(), calls }
}

/** What readers have set before, by the words of the page. */
const VARIABLES = [
  ...['broker', 'key', 'name', 'id', 'metrics', 'redis', 'keyring', 'new', 'salesforce', 'token'],
  ...['KEY', 'ADMIN_KEY', 'ID', 'REDIS_PASSWORD', 'VALETKEY', 'instance', 'login_url'],
]

t.test('blocks of commands say that they are', async (t) => {
  for (const page of PAGES) {
    for (const block of readDocument(page).blocks('')) {
      t.notMatch(block, COMMAND, `${page}: ${block.slice(0, 60)}`)
    }
  }
})

for (const page of PAGES) {
  // Only a terminal has jobs by number.
  const script = readDocument(page)
    .blocks('sh')
    .join('\n')
    .replace(/^kill %1 %2$/m, '')
  if (script === '') continue
  t.test(`${page} says the same in each shell`, async (t) => {
    const shells = SHELLS.filter((shell) => hasCommand(shell) || process.env.CI === 'true')
    const [first, ...others] = await Promise.all(shells.map((shell) => record(t, script, shell)))
    t.equal(first?.status, 0, `${shells[0]}: ${first?.output}`)
    for (const [index, other] of others.entries()) {
      t.equal(other.status, 0, `${shells[index + 1]}: ${other.output}`)
      t.same(other.calls, first?.calls, `${shells[index + 1]}`)
    }
    for (const call of first?.calls ?? []) {
      t.notOk(call.split(END_OF_ARGUMENT).includes('#'), call)
    }
  })
}
