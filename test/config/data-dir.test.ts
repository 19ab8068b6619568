import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ConfigError } from '../../src/config/config-error.ts'
import { type DataDirSettings, prepareDataDir } from '../../src/config/data-dir.ts'
import { keyringOf } from '../../src/crypto/keyring.ts'
import { Secret } from '../../src/crypto/secret.ts'

const folder = mkdtempSync(join(tmpdir(), 'valetkey-data-dir-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

let made = 0
const newDir = () => join(folder, `${++made}`, 'data')
const now = () => Date.UTC(2026, 10, 22)

const prepare = (dataDir: string, given: Partial<DataDirSettings> = {}) =>
  prepareDataDir({ dataDir, keyring: undefined, adminKeys: [], ...given }, { now })

t.test('makes folder, keyring and admin key for the owner alone', async (t) => {
  const dataDir = newDir()
  const keys = await prepare(dataDir)
  t.equal(statSync(dataDir).mode & 0o777, 0o700)
  for (const name of ['keyring', 'admin.key']) {
    t.equal(statSync(join(dataDir, name)).mode & 0o777, 0o600, name)
  }
  t.strictSame(readdirSync(dataDir).toSorted(), ['admin.key', 'keyring'], 'and leaves no draft')
  t.equal(keys.adminKeyPath, join(dataDir, 'admin.key'))
  t.equal(keys.adminKeys.length, 1)
  t.match(keys.adminKeys[0]?.reveal(), /^[\w-]{43}$/)
  t.equal(readFileSync(join(dataDir, 'admin.key'), 'utf8'), `${keys.adminKeys[0]?.reveal()}\n`)
  t.match(keyringOf(keys.keyring).sealingKeyId, /^k20261122-/)
  t.strictSame(keys.warnings, [])
})

t.test('finds the same keys again', async (t) => {
  const dataDir = newDir()
  const first = await prepare(dataDir)
  const second = await prepare(dataDir)
  t.equal(second.keyring.reveal(), first.keyring.reveal())
  t.equal(second.adminKeys[0]?.reveal(), first.adminKeys[0]?.reveal())
})

t.test('agrees with every other that starts at once', async (t) => {
  const dataDir = newDir()
  const all = await Promise.all(Array.from({ length: 20 }, () => prepare(dataDir)))
  t.equal(new Set(all.map((keys) => keys.keyring.reveal())).size, 1)
  t.equal(new Set(all.map((keys) => keys.adminKeys[0]?.reveal())).size, 1)
  t.strictSame(readdirSync(dataDir).toSorted(), ['admin.key', 'keyring'])
})

t.test('makes no file for what a setting gives', async (t) => {
  const dataDir = newDir()
  const keyring = new Secret(`a:${randomBytes(32).toString('base64')}`)
  const adminKeys = [new Secret('x'.repeat(32))]
  const keys = await prepare(dataDir, { keyring, adminKeys })
  t.strictSame(readdirSync(dataDir), [])
  t.equal(keys.keyring, keyring)
  t.equal(keys.adminKeys, adminKeys)
  t.equal(keys.adminKeyPath, undefined)
})

t.test('warns of what others may read', async (t) => {
  const dataDir = newDir()
  await prepare(dataDir)
  chmodSync(dataDir, 0o755)
  chmodSync(join(dataDir, 'keyring'), 0o644)
  const { warnings } = await prepare(dataDir)
  t.equal(warnings.length, 2)
  t.match(warnings, [/data can be read by other users/, /keyring can be read by other users/])
})

t.test('reports a file that holds no key, and does not repeat it', async (t) => {
  for (const [name, text] of [
    ['keyring', 'canary'],
    ['keyring', ''],
    ['admin.key', 'canary'],
  ] as const) {
    const dataDir = newDir()
    await prepare(dataDir)
    writeFileSync(join(dataDir, name), text)
    const error = await prepare(dataDir).catch((error: unknown) => error)
    if (!(error instanceof ConfigError)) throw new Error('It was accepted')
    t.equal(error.mistakes.length, 1)
    t.match(error.mistakes, [new RegExp(`${name}: `)])
    t.notMatch(error.message, 'canary')
  }
})

t.test('reports a folder that cannot be used', async (t) => {
  const dataDir = join(folder, 'file')
  writeFileSync(dataDir, '')
  const error = await prepare(dataDir).catch((error: unknown) => error)
  if (!(error instanceof ConfigError)) throw new Error('It was accepted')
  t.match(error.mistakes, [
    /^VALETKEY_DATA_DIR: .* cannot be used \(EEXIST\): it is a file: use a folder$/,
  ])
})
