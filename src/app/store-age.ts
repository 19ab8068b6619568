/** Composes the detection of an old store: the witness outside of it, and what happens if nobody knows. */
import { accessSync, constants } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import type { Config } from '../config/config.ts'
import { ConfigError } from '../config/config-error.ts'
import type { AgeSettings } from '../custody/compose.ts'
import { createWitness, type Witness } from '../custody/witness.ts'
import type { Logger } from '../logger/logger.ts'

/** One file is in the data folder, for a folder that moves. One is beside it, for a folder that is restored. */
const NAME = 'witness'
/** Running replicas report what they know within a second after they read the store. */
const GRACE_MS = 3_000

/** Throws `ConfigError` if the folder of `VALETKEY_WITNESS_FILE` is not writable. */
export const composeStoreAge = (
  config: Pick<Config, 'witnessFile' | 'redisUrl' | 'dataDir' | 'restored'>,
  log: Logger,
): AgeSettings => ({
  witness: witnessOf(config, log),
  mode: config.restored,
  graceMs: config.redisUrl ? GRACE_MS : 0,
})

function witnessOf(
  { witnessFile, redisUrl, dataDir }: Pick<Config, 'witnessFile' | 'redisUrl' | 'dataDir'>,
  log: Logger,
): Witness | undefined {
  if (witnessFile !== undefined) {
    const trouble = writeTrouble(dirname(witnessFile))
    if (trouble === undefined) return createWitness({ paths: [witnessFile], log })
    throw new ConfigError([`VALETKEY_WITNESS_FILE: its folder cannot be written (${trouble})`])
  }
  if (redisUrl !== undefined) return undefined
  const beside = `${resolve(dataDir)}.${NAME}`
  const paths = [join(dataDir, NAME)]
  if (writeTrouble(dirname(beside)) === undefined) paths.push(beside)
  return createWitness({ paths, log })
}

/** The error code. Undefined: the folder is writable. */
function writeTrouble(folder: string): string | undefined {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}
