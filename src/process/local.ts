/** The commands that need the code of the service. */
import { backup, type RestoreOptions, restore } from '../backup/backup.ts'
import { BackupError } from '../backup/backup-error.ts'
import type { LocalName } from '../command/commands/local.ts'
import { CommandError, EXITS } from '../command/exits.ts'
import { failureOf } from '../command/failures.ts'
import type { CommandInput, Runner, Variables } from '../command/spec.ts'
import { generateKeyring } from '../crypto/keyring.ts'
import { reindex } from './reindex.ts'
import { packageVersion } from './version.ts'

/** Runs the service. If it cannot start, this says why and sets the exit code. */
export async function startService(env: Variables): Promise<void> {
  const { serve } = await import('./serve.ts')
  try {
    await serve(env, packageVersion())
  } catch (error) {
    process.exitCode = failureOf(error, process)
  }
}

export const LOCAL: Readonly<Record<LocalName, Runner>> = {
  async serve({ env }) {
    await startService(env)
    return Number(process.exitCode ?? EXITS.ok)
  },
  async doctor({ operands, options, env, terminal }) {
    const { diagnose } = await import('./diagnose.ts')
    const [path = '', ...names] = operands
    const { json = false } = options as { readonly json?: boolean }
    return (await diagnose(path, names, env, { json, terminal })) ? EXITS.ok : EXITS.ill
  },
  async 'check-token'(input) {
    const { runCheckToken } = await import('./check-token.ts')
    return runCheckToken(input)
  },
  backup: ofStore(({ options, env, terminal: { stdout, stderr } }) => {
    const { out } = options as { readonly out?: string }
    return backup(out, env, { stdout, stderr, version: packageVersion() })
  }),
  restore: ofStore(({ operands, options, env, terminal }) =>
    restore(operands[0] ?? '', options as RestoreOptions, env, terminal),
  ),
  async reindex({ env, terminal }) {
    await reindex(env, terminal)
    return EXITS.ok
  },
  async keygen({ terminal }) {
    terminal.print(generateKeyring(Date.now()).reveal())
    return EXITS.ok
  },
}

function ofStore(work: (input: CommandInput) => Promise<void>): Runner {
  return async (input) => {
    try {
      await work(input)
      return EXITS.ok
    } catch (error) {
      if (!(error instanceof BackupError)) throw error
      throw new CommandError(error.status, error.message, { cause: error })
    }
  }
}
