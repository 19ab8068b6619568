/** The keyring and the admin key in the data folder. They are created if no setting provides them. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { copyFile, link, open, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { generateKeyring } from '../crypto/keyring.ts'
import { Secret } from '../crypto/secret.ts'
import { folderTrouble, makeDataFolder } from '../store/embedded/data-folder.ts'
import { ConfigError } from './config-error.ts'
import { type Reader, adminKeys as readAdminKeys, keyring as readKeyring } from './reader.ts'

interface DataDirKeys {
  readonly keyring: Secret
  readonly adminKeys: readonly Secret[]
  /** Where the admin key is stored, if it is not a setting. The path may be printed, the key never. */
  readonly adminKeyPath: string | undefined
  /** Files that other users of this machine can read. One sentence each, for the log. */
  readonly warnings: readonly string[]
}

export interface DataDirSettings {
  readonly dataDir: string
  readonly keyring: Secret | undefined
  readonly adminKeys: readonly Secret[]
}

const FILE_MODE = 0o600
const OTHERS = 0o077
/** 43 characters in base64url. */
const ADMIN_KEY_BYTES = 32
/** Error codes of file systems without hard links. */
const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']

/**
 * Creates the folder (mode 0700) and the files `keyring` and `admin.key` (mode 0600) unless
 * settings provide them. Processes that start concurrently use the same content. Throws
 * `ConfigError`.
 */
export async function prepareDataDir(
  { dataDir, keyring, adminKeys }: DataDirSettings,
  { now }: { readonly now: () => number },
): Promise<DataDirKeys> {
  const warnings: string[] = []
  const kept = async <Value>(name: string, read: Reader<Value>, make: () => Secret) => {
    const path = join(dataDir, name)
    const text = await readOrMake(path, make)
    const { mode } = await stat(path)
    if ((mode & OTHERS) !== 0) warnings.push(`${path} can be read by other users: chmod 600`)
    const reading = read(text.replace(/[\r\n]+$/, ''))
    if ('value' in reading) return { path, value: reading.value }
    throw new ConfigError(reading.mistakes.map((mistake) => `${path}: ${mistake}`))
  }
  try {
    makeDataFolder(dataDir)
    const { mode } = await stat(dataDir)
    if ((mode & OTHERS) !== 0) warnings.push(`${dataDir} can be read by other users: chmod 700`)
    const ring = keyring ?? (await kept('keyring', readKeyring, () => generateKeyring(now()))).value
    if (adminKeys.length > 0) {
      return { keyring: ring, adminKeys, adminKeyPath: undefined, warnings }
    }
    const admin = await kept('admin.key', readAdminKeys, newAdminKey)
    return { keyring: ring, adminKeys: admin.value, adminKeyPath: admin.path, warnings }
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    const isPlain = codeOf(cause) === undefined && cause instanceof Error
    const why = isPlain ? cause.message : folderTrouble(dataDir, cause)
    throw new ConfigError([`VALETKEY_DATA_DIR: ${why}`], { cause })
  }
}

/** Reads an existing keyring. Throws `ConfigError` if there is none. */
export async function findKeyring({
  dataDir,
  keyring,
}: Pick<DataDirSettings, 'dataDir' | 'keyring'>): Promise<Secret> {
  if (keyring) return keyring
  const path = join(dataDir, 'keyring')
  let text: string | undefined
  try {
    text = await readIfThere(path)
  } catch (cause) {
    throw new ConfigError([`${path}: cannot be read (${codeOf(cause) ?? 'unknown'})`], { cause })
  }
  if (text === undefined) {
    throw new ConfigError([`VALETKEY_KEYRING: is not set, and ${path} does not exist`])
  }
  const reading = readKeyring(text.replace(/[\r\n]+$/, ''))
  if ('value' in reading) return reading.value
  throw new ConfigError(reading.mistakes.map((mistake) => `${path}: ${mistake}`))
}

const newAdminKey = () => new Secret(randomBytes(ADMIN_KEY_BYTES).toString('base64url'))

/** Returns the content of the file. Creates a missing file atomically and durably. */
async function readOrMake(path: string, make: () => Secret): Promise<string> {
  const former = await readIfThere(path)
  if (former !== undefined) return former
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    await writeDurably(draft, `${make().reveal()}\n`)
    await publish(draft, path)
  } finally {
    await rm(draft, { force: true })
  }
  await syncFolder(join(path, '..'))
  return readFile(path, 'utf8')
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', FILE_MODE)
  try {
    await file.chmod(FILE_MODE)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Renames the draft unless the name exists. In that case another process was first, and its content is used. */
async function publish(draft: string, path: string): Promise<void> {
  try {
    await link(draft, path).catch((error: unknown) => {
      if (!NO_LINKS.includes(codeOf(error) ?? '')) throw error
      return copyFile(draft, path, constants.COPYFILE_EXCL)
    })
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' ? code : undefined
}
