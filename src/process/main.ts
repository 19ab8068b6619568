/** The command line of this process. The code of the service is loaded only by the commands that need it. */
import type { LocalName } from '../command/commands/local.ts'
import { runCommandLine } from '../command/run.ts'
import type { Runner } from '../command/spec.ts'
import { versionAndCommit } from './version.ts'

interface Service {
  readonly LOCAL: Readonly<Record<LocalName, Runner>>
}

/** Sets the exit code. */
export async function main(
  args: readonly string[],
  loadService: () => Promise<Service>,
): Promise<void> {
  process.exitCode = await runCommandLine({
    args,
    env: process.env,
    streams: process,
    version: versionAndCommit,
    local: async (name) => (await loadService()).LOCAL[name],
  })
}
