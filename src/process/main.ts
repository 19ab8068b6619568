/** The commands of `valetkey`. */
import { readFileSync } from 'node:fs'
import { findPackageJSON } from 'node:module'
import { BackupError } from '../backup/backup-error.ts'
import { ConfigError } from '../config/config-error.ts'

interface Command {
  /** Operands in the usage text. Default: none. */
  readonly operands?: string
  readonly summary: string
  run(args: readonly string[]): Promise<void>
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the service (the default)',
    run: async () => {
      const { serve } = await import('./serve.ts')
      await serve(process.env, packageVersion())
    },
  },
  doctor: {
    operands: 'FILE [NAME…] [--json]',
    summary: 'examine the integrations of a YAML file; exits with 1 if one fails',
    run: async (args) => {
      const { diagnose } = await import('./diagnose.ts')
      const stdout = checkedStdout()
      const isColourful = stdout.isTTY === true && stdout.hasColors()
      const isWell = await diagnose(args, process.env, { stdout, isColourful })
      process.exitCode = isWell ? 0 : EX_ILL
    },
  },
  'check-token': {
    operands: 'NAME [--at URL] [--json]',
    summary: 'find out why a token does not work here; uses VALETKEY_URL and VALETKEY_KEY',
    run: async (args) => {
      const { BrokerRefusal, runCheckToken: checkToken } = await import('./check-token.ts')
      try {
        const works = await checkToken(args, process.env, { stdout: checkedStdout() })
        process.exitCode = works ? 0 : EX_ILL
      } catch (error) {
        if (!(error instanceof BrokerRefusal)) throw error
        process.stderr.write(`valetkey: ${error.message}\n`)
        process.exitCode = EX_UNAVAILABLE
      }
    },
  },
  backup: {
    operands: '[--out FILE]',
    summary: 'write a backup to a file or to stdout',
    run: async (args) => {
      const { backup } = await import('../backup/backup.ts')
      const { stdout, stderr } = process
      await backup(args, process.env, { stdout, stderr, version: packageVersion() })
    },
  },
  restore: {
    operands: 'FILE [--check] [--force]',
    summary: 'restore a backup into an empty store; --force replaces the content of the store',
    run: async (args) => {
      const { restore } = await import('../backup/backup.ts')
      await restore(args, process.env, process)
    },
  },
  keygen: {
    summary: 'print a new sealing key for VALETKEY_KEYRING',
    run: async () => {
      const { generateKeyring } = await import('../crypto/keyring.ts')
      checkedStdout().write(`${generateKeyring(Date.now()).reveal()}\n`)
    },
  },
}

/** For commands that only print. Exits if stdout cannot be written, for example if the reader is `head`. */
function checkedStdout(): NodeJS.WriteStream {
  const { stdout } = process
  return stdout.on('error', ({ code }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE') return
    process.stderr.write(`valetkey: stdout cannot be written (${code})\n`)
    process.exit(EX_IOERR)
  })
}

/** Removes control characters, because texts may come from a file. */
const printable = (text: string) => text.replace(/[\p{Cc}\p{Cf}]+/gu, ' ')

const EX_ILL = 1
/** sysexits.h: wrong usage; a required service is unavailable; output cannot be written; wrong configuration. */
const EX_USAGE = 64
const EX_UNAVAILABLE = 69
const EX_IOERR = 74
const EX_CONFIG = 78

/** Of the package that this file is in, be it the sources or the bundle. */
function packageVersion(): string {
  const path = findPackageJSON(import.meta.url)
  if (path === undefined) throw new Error('there is no package.json')
  const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'))
  return String(Object(manifest).version)
}

function usage(): string {
  const rows = Object.entries(COMMANDS).map(
    ([name, { operands = '', summary }]) => `  ${`${name} ${operands}`.padEnd(36)} ${summary}`,
  )
  return ['usage: valetkey [command]', '', ...rows, ''].join('\n')
}

/** Whether `parseArgs` refused the operands. */
const isMisuse = (error: unknown): error is Error =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS_')

/** Runs the command that the arguments begin with; `serve` without arguments. */
export async function main(given: readonly string[]): Promise<void> {
  const [name = 'serve', ...args] = given
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  if (command && (args.length === 0 || command.operands !== undefined)) {
    try {
      await command.run(args)
    } catch (error) {
      if (error instanceof ConfigError) {
        for (const mistake of error.mistakes)
          process.stderr.write(`valetkey: ${printable(mistake)}\n`)
        process.exitCode = EX_CONFIG
      } else if (error instanceof BackupError) {
        process.stderr.write(`valetkey: ${error.message}\n`)
        process.exitCode = error.status
      } else if (isMisuse(error)) {
        process.stderr.write(`valetkey: ${error.message}\n${usage()}`)
        process.exitCode = EX_USAGE
      } else throw error
    }
  } else {
    process.stderr.write(usage())
    process.exitCode = ['help', '--help', '-h'].includes(name) ? 0 : EX_USAGE
  }
}
