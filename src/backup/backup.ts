/** The commands `valetkey backup` and `valetkey restore`. */
import { randomUUID } from 'node:crypto'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Config, Environment } from '../config/config.ts'
import type { Keyring } from '../crypto/keyring.ts'
import { BrokerError } from '../errors/errors.ts'
import { sealRequiresCodes } from '../integrations/integration-store.ts'
import { addDataKeys, allDataKeys } from '../keyring/data-keys/data-key-record.ts'
import { PROVEN_KINDS } from '../store/document-kinds.ts'
import { authenticStore } from '../store/integrity/authentic-store.ts'
import {
  CORRUPTIONS,
  type CorruptRecord,
  createCorruptRecords,
} from '../store/integrity/corrupt-records.ts'
import { createMacRequirement } from '../store/integrity/mac-requirement.ts'
import { createSeenVersions } from '../store/integrity/seen-versions.ts'
import { readIntegrityNote } from '../store/integrity/store-watch.ts'
import type { Store } from '../store/store.ts'
import { BackupError } from './backup-error.ts'
import {
  archivedKeys,
  type BackupSettings,
  dataKeysIn,
  readSettings,
  withEngine,
  withKeys,
} from './backup-settings.ts'
import { isEmpty, restoreBackup, type Verified, verifyBackup } from './restore.ts'
import { writeBackup } from './writer.ts'

interface CommandStreams {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean }
  /** Receives messages for people. */
  readonly stderr: { write(text: string): unknown }
}

const FILE_MODE = 0o600

/** To a new file, or to stdout. Throws `ConfigError` and `BackupError`. */
export async function backup(
  out: string | undefined,
  env: Environment,
  { stdout, stderr, version }: CommandStreams & { readonly version: string },
): Promise<void> {
  if (out === undefined && stdout.isTTY) {
    throw new BackupError('usage', 'stdout is a terminal: name a file with --out, or redirect it')
  }
  if (out !== undefined && existsSync(out)) {
    throw new BackupError('cannot_create', `${out} exists and is not overwritten`)
  }
  const settings = await readSettings(env, stderr)
  requireEmbedded(settings.config)
  await withKeys(settings, (openFrom) =>
    withEngine(settings, async (engine) => {
      const dataKeys = await allDataKeys(engine.documents)
      const keyring = await openFrom(engine.documents)
      const locked: string[] = []
      const store = provenStore(engine, { settings, keyring, stderr, locked })
      if ((await readIntegrityNote(store)) === 'wiped') {
        const message =
          'the store lost its content, so there is nothing to back up: restore it first'
        throw new BackupError('unavailable', message)
      }
      let counts: Verified['counts'] = {}
      const { archive } = store
      const uniqueId = () => randomUUID()
      const lines = async function* () {
        counts = yield* writeBackup({
          ...{ archive, keyring, dataKeys, version, uniqueId, now: Date.now },
        })
        const [first] = locked
        if (first === undefined) return
        const message = `the key that proves ${first} is not in VALETKEY_KEYRING: append it, otherwise the backup lacks the records that it proves`
        throw new BackupError('refused', message)
      }
      if (out === undefined) await toStream(lines(), stdout)
      else await toFile(lines(), out)
      stderr.write(`valetkey: backed up ${inWords(counts)}\n`)
    }),
  )
}

export interface RestoreOptions {
  /** Only verifies the backup. */
  readonly check?: boolean
  /** Replaces the content of the store. */
  readonly force?: boolean
}

/** Throws `ConfigError` and `BackupError`. */
export async function restore(
  path: string,
  options: RestoreOptions,
  env: Environment,
  { stderr }: Pick<CommandStreams, 'stderr'>,
): Promise<void> {
  requireFile(path)
  const settings = await readSettings(env, stderr)
  const lines = () => linesOf(path)
  const dataKeys = await dataKeysIn(lines())
  await withKeys(settings, async (openFrom) => {
    const { head, counts } = await verifyBackup(lines, await openFrom(archivedKeys(dataKeys)))
    const what = `${inWords(counts)}, of ${head.created_at}`
    if (options.check) {
      stderr.write(`valetkey: the backup is complete: ${what}\n`)
      return
    }
    await withEngine(settings, async (engine) => {
      if (!options.force && !(await isEmpty(engine))) {
        const message = 'the store is not empty: --force replaces its content with the backup'
        throw new BackupError('cannot_create', message)
      }
      // First, because the restored records are sealed with them.
      for (const named of dataKeys) await addDataKeys(engine.documents, named)
      const keyring = await openFrom(engine.documents, { makes: true })
      const store = provenStore(engine, { settings, keyring, stderr, locked: [] })
      const log = {
        warn: () => stderr.write('valetkey: the store answers slowly\n'),
      }
      await restoreBackup({ store, keyring, lines, uniqueId: () => randomUUID(), log })
      stderr.write(`valetkey: restored ${what}\n`)
    })
  })
}

interface ProvenStoreOptions extends Pick<CommandStreams, 'stderr'> {
  readonly settings: BackupSettings
  readonly keyring: Keyring
  /** Gets the ids of records whose proving key is not in the keyring. */
  readonly locked: string[]
}

/** Omits records that do not verify from a backup, and adds authentication codes to restored records. */
function provenStore(store: Store, options: ProvenStoreOptions): Store {
  const { settings, keyring, stderr, locked } = options
  const { macs } = keyring
  const log = {
    error: (_: object, message: string) => void stderr.write(`valetkey: ${message}\n`),
  }
  const onMet = ({ kind, name, why }: CorruptRecord) => {
    if (why === 'key_unknown') locked.push(`${kind} ${name}`)
    else stderr.write(`valetkey: ${kind} ${name} is omitted: ${CORRUPTIONS[why]}\n`)
  }
  const monotonic = () => performance.now()
  const mode = settings.config.unprovenRecords
  const requirement = createMacRequirement({
    ...{ store, macs, mode, kinds: PROVEN_KINDS, monotonic, log },
    sealRequires: (record) => sealRequiresCodes(keyring, record),
  })
  const corrupt = createCorruptRecords({ log: { error: () => undefined }, onMet })
  const seen = createSeenVersions()
  return authenticStore({
    ...{ store, macs, requirement, corrupt, seen },
    lookAtWhole: async () => undefined,
  })
}

/** A pipe is refused, because the file is read twice. */
function requireFile(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found?.isFile()) return
  throw new BackupError('no_input', found ? `${path} is not a file` : `${path} does not exist`)
}

/** Requires an existing store, because opening a missing one would create it. */
function requireEmbedded({ redisUrl, dataDir }: Config): void {
  if (redisUrl !== undefined || existsSync(join(dataDir, 'valetkey.db'))) return
  throw new BackupError('no_input', `there is no store in ${dataDir}`)
}

async function toStream(lines: AsyncIterable<string>, stdout: NodeJS.WritableStream) {
  // The callback also reports the failure; without a listener it would end the process.
  stdout.on('error', () => undefined)
  try {
    for await (const line of lines) {
      await new Promise<void>((resolve, reject) => {
        stdout.write(line, (error) => (error ? reject(error) : resolve()))
      })
    }
  } catch (cause) {
    throw brokenOff(cause, 'stdout')
  }
}

/** Writes to a draft with a unique name and renames it after it is complete and on disk. */
async function toFile(lines: AsyncIterable<string>, path: string): Promise<void> {
  const draft = `${path}.${randomUUID().slice(0, 8)}.partial`
  try {
    const file = await open(draft, 'wx', FILE_MODE)
    try {
      await file.writeFile(lines)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch (cause) {
    await rm(draft, { force: true })
    throw brokenOff(cause, path)
  }
}

function brokenOff(cause: unknown, what: string): unknown {
  const { code } = cause as NodeJS.ErrnoException
  if (cause instanceof BrokerError || code === undefined) return cause
  const trouble = code === 'EPIPE' || code === 'ENOSPC' || code === 'EIO' ? 'io' : 'cannot_create'
  return new BackupError(trouble, `${what} cannot be written (${code})`, { cause })
}

function inWords(counts: Verified['counts']): string {
  const of = (what: string) => counts[what] ?? 0
  const words = (count: number, one: string) => `${count} ${one}${count === 1 ? '' : 's'}`
  return `${words(of('integrations'), 'integration')} and ${words(of('api-key'), 'API key')}`
}

/** Longer than any written line. */
const LINE_CHARACTERS = 4 * 1024 * 1024

/** Yields the lines of a file without line breaks, also a last line without one. Throws `no_input`, or `refused` if a line is too long. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = ''
  try {
    for await (const chunk of createReadStream(path, 'utf8') as AsyncIterable<string>) {
      const lines = `${rest}${chunk}`.split('\n')
      rest = lines.pop() ?? ''
      yield* lines
      if (rest.length > LINE_CHARACTERS) {
        throw new BackupError('refused', 'the file is not a backup of Valetkey')
      }
    }
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (cause instanceof BackupError || code === undefined) throw cause
    throw new BackupError('no_input', `${path} cannot be read (${code})`, { cause })
  }
  if (rest !== '') yield rest
}
