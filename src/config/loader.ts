/** Loads the configuration file: at start, on demand, and after a change of it or of a file that it names. */

import { createHash } from 'node:crypto'
import type { CallerEntry, IssuerSettings } from '../callers/caller-entry.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Applied, DeclaredIntegrations } from '../integrations/declared.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createTask } from '../runtime/tasks.ts'
import { isUpToSigner } from '../signers/signing-problem.ts'
import { ConfigError } from './config-error.ts'
import {
  type DeclaredEntry,
  entryError,
  type FileContent,
  type FileCredential,
  parseConfigurationFile,
} from './file.ts'

export type ConfigurationLoader = ReturnType<typeof createConfigurationLoader>

/** Content of a file as text, or in base64 if it is not text. */
export type ReadFile = (path: string, encoding?: 'utf8' | 'base64') => string

interface LoaderObserver {
  /** An integration was changed. */
  applied(applied: Applied): Promise<void>
  /** Issuers and callers were replaced. */
  reloaded(): void
  /** The file was refused, and the former content stays. */
  refused(mistakes: readonly string[]): void
}

export interface LoaderDependencies {
  readonly path: string
  readonly readFile: ReadFile
  readonly declared: DeclaredIntegrations
  readonly observer: LoaderObserver
  readonly runtime: Runtime
  readonly log: Log
}

/** Interval of the checks for changed files. */
const LOOK_MS = 10_000
/** Interval of retries while the store is unavailable. */
const RETRY_MS = 1_000

export function createConfigurationLoader(dependencies: LoaderDependencies) {
  const { path, readFile, declared, observer, runtime, log } = dependencies
  let content: FileContent = { issuers: [], callers: [], integrations: [], prune: false }
  let fingerprint = ''
  let isApplied = false
  /** Integrations whose signer was away. They are applied again until it answers. */
  const waiting = new Set<string>()
  let applying: Promise<void> = Promise.resolve()

  const textOf = readingWith(readFile)

  /** Fingerprint of the current content of the file and of all files that it names. */
  const fingerprintOf = ({ integrations, issuers }: FileContent, text: string): string => {
    const named = [
      ...integrations.flatMap(({ files }) => Object.values(files) as string[]),
      ...issuers.flatMap(({ caFile, tokenFile }) => [caFile ?? [], tokenFile ?? []].flat()),
    ]
    const hash = createHash('sha256').update(text)
    for (const file of named) {
      try {
        hash.update(readFile(file, 'base64'))
      } catch (error) {
        hash.update(String((error as NodeJS.ErrnoException).code))
      }
    }
    return hash.digest('base64')
  }

  /** Reads the file. Throws {@link ConfigError}. */
  const read = (): void => {
    const text = textOf(path)
    const parsed = parseConfigurationFile(text)
    content = parsed
    fingerprint = fingerprintOf(parsed, text)
    isApplied = false
  }

  const applyEntry = async (entry: DeclaredEntry): Promise<Applied> => {
    const { name, input, files, mistakes } = entry
    if (!input) return declared.disable(name, entryError(mistakes))
    try {
      return await declared.apply({ name, input: withFiles(input, files, textOf) })
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return declared.disable(name, entryError(error.mistakes), input)
    }
  }

  /** Undefined: its signer is away, or refuses. The others do not wait for it. */
  const applyIfSigned = async (entry: DeclaredEntry): Promise<Applied | undefined> => {
    const { name: integration, line } = entry
    try {
      const applied = await applyEntry(entry)
      waiting.delete(integration)
      return applied
    } catch (err) {
      if (!isUpToSigner(err)) throw err
      if (!waiting.has(integration)) {
        log.warn({ integration, line, err }, 'a declared integration waits for its signer')
      }
      waiting.add(integration)
      return undefined
    }
  }

  const applyAll = async () => {
    const { integrations, prune } = content
    const names = new Set(integrations.map(({ name }) => name))
    for (const name of waiting) if (!names.has(name)) waiting.delete(name)
    for (const entry of inOrder(integrations)) {
      const applied = await applyIfSigned(entry)
      if (applied) await report(applied, entry.line)
    }
    for (const applied of await declared.release(names, prune)) await report(applied)
    isApplied = waiting.size === 0
  }

  const report = async (applied: Applied, line?: number) => {
    const { name: integration, result, error } = applied
    if (result === 'unchanged') return
    if (result === 'disabled') {
      log.error(
        { integration, line, err: error, mistake: error?.detail },
        'a declared integration is wrong, and is disabled',
      )
    } else log.info({ integration, result }, 'a declared integration was applied')
    await observer.applied(applied)
  }

  /** Runs one at a time. If the store is unavailable, the next check retries. */
  const apply = (): Promise<void> => {
    applying = applying.then(applyAll).catch((error: unknown) => {
      if (!(error instanceof BrokerError)) throw error
      log.warn({ err: error, code: error.code }, 'declared integrations could not be applied yet')
    })
    return applying
  }

  /** Reads the file again, even without a change. Invalid issuers and callers are logged, and the former ones stay. */
  const reload = async (): Promise<void> => {
    try {
      read()
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      observer.refused(error.mistakes)
      for (const mistake of error.mistakes)
        log.error({ path, mistake }, 'the configuration file is wrong, and the old one stays')
      return
    }
    observer.reloaded()
    log.info({ path }, 'the configuration file was read')
    await apply()
  }

  const hasChanged = (): boolean => {
    try {
      return fingerprintOf(content, textOf(path)) !== fingerprint
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      log.error({ path, mistake: error.mistakes[0] }, 'the configuration file cannot be read')
      return false
    }
  }

  let sinceLookMs = -RETRY_MS
  const task = createTask({
    runtime,
    async work() {
      sinceLookMs += RETRY_MS
      const isLookDue = sinceLookMs >= LOOK_MS
      if (isLookDue) sinceLookMs = 0
      if (isLookDue && (isApplied || waiting.size > 0) && hasChanged()) await reload()
      else if (!isApplied) await apply()
      return RETRY_MS
    },
  })

  return {
    read,
    issuers: (): readonly IssuerSettings[] => content.issuers,
    callers: (): readonly CallerEntry[] => content.callers,
    /** Applies the integrations when the store is available, then checks for changes until `stop`. */
    start: task.start,
    reload,
    async stop(): Promise<void> {
      await task.stop()
      await applying
    },
  }
}

/** Throws {@link ConfigError} if the file cannot be read. */
export const readingWith =
  (readFile: ReadFile): ReadFile =>
  (file, encoding) => {
    try {
      return readFile(file, encoding)
    } catch (error) {
      throw new ConfigError([`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`])
    }
  }

/** Integrations whose credentials others use come before these. What may wait for a signer comes last. */
function inOrder(entries: readonly DeclaredEntry[]): readonly DeclaredEntry[] {
  const signing = new Set(
    entries.flatMap(({ name, input: { credential } = {} }) =>
      credential?.signer || credential?.asked ? [name] : [],
    ),
  )
  const rankOf = ({ name, input }: DeclaredEntry): number => {
    const from = input?.credential?.from
    const isLate = signing.has(from ?? name)
    return (isLate ? 2 : 0) + (from === undefined ? 0 : 1)
  }
  return [...entries].sort((a, b) => rankOf(a) - rankOf(b))
}

type Input = NonNullable<DeclaredEntry['input']>

/** Puts the content of files in the place where a request has it. */
export function withFiles(input: Input, files: FileCredential, textOf: ReadFile): Input {
  const { privateKeyFile, certificateFile, clientSecretFile, refreshTokenFile } = files
  const { keystoreFile, passphraseFile } = files
  const lineOf = (file: string) => textOf(file).replace(/[\r\n]+$/, '')
  if (Object.keys(files).length === 0) return input
  return {
    ...input,
    credential: {
      ...input.credential,
      ...(privateKeyFile !== undefined && { privateKey: textOf(privateKeyFile) }),
      ...(certificateFile !== undefined && { certificate: textOf(certificateFile) }),
      ...(keystoreFile !== undefined && { keystore: textOf(keystoreFile, 'base64') }),
      ...(passphraseFile !== undefined && { passphrase: lineOf(passphraseFile) }),
      ...(refreshTokenFile !== undefined && { refreshToken: lineOf(refreshTokenFile) }),
      ...(clientSecretFile !== undefined && { clientSecret: lineOf(clientSecretFile) }),
    },
  }
}
