/** The witness: a file outside the store with the number of noted presentations. Restoring the store does not restore this file. */

import { randomUUID } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { Type } from 'typebox'
import { BrokerError } from '../errors/errors.ts'
import type { Log } from '../runtime/runtime.ts'
import { createSharedTurns } from '../runtime/shared-turns.ts'
import { bodyReader } from '../store/record-body.ts'

export interface Known {
  /** Id of the store, see `Store.identity`. */
  readonly id: string
  /** The highest number of notes that is known. */
  readonly noted: number
  /** The point at which the store was last known to be current. Null: never. */
  readonly sure: string | null
}

export type Witness = ReturnType<typeof createWitness>

interface WitnessDependencies {
  /** Paths in writable folders. The first file is always written, the others from the first presentation on. */
  readonly paths: readonly string[]
  readonly log: Pick<Log, 'warn'>
}

const readWitness = bodyReader(
  Type.Object({
    store: Type.String(),
    noted: Type.Integer(),
    /** Text or null. Another value only makes this member unusable. */
    sure: Type.Optional(Type.Unknown()),
  }),
)

const FILE_MODE = 0o600

export function createWitness({ paths, log }: WitnessDependencies) {
  let newest: Known | undefined

  const write = createSharedTurns(async () => {
    if (!newest) return
    const { id, noted, sure } = newest
    const text = `${JSON.stringify({ store: id, noted, sure })}\n`
    for (const path of noted === 0 ? paths.slice(0, 1) : paths) await replaceFile(path, text)
  })

  return {
    /** What the newest of the files says about this store. Undefined: none mentions it. */
    async read(id: string): Promise<Known | undefined> {
      const found = await Promise.all(paths.map((path) => readKnown(path, log)))
      return found
        .filter((known) => known !== undefined)
        .filter((known) => known.id === id)
        .sort((one, other) => other.noted - one.noted)[0]
    },
    /** Resolves when this, or something newer, is on disk. Throws `store_unavailable`. */
    async note(known: Known): Promise<void> {
      const isOlder = newest?.id === known.id && newest.noted > known.noted
      if (!isOlder) newest = known
      try {
        await write()
      } catch (cause) {
        throw new BrokerError('store_unavailable', 'The witness of the store cannot be written', {
          cause,
          retryAfterMs: 1_000,
        })
      }
    },
  }
}

/** Replaces the file completely, or leaves it as it was. */
async function replaceFile(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID().slice(0, 8)}`
  try {
    const file = await open(draft, 'wx', FILE_MODE)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

async function readKnown(path: string, log: WitnessDependencies['log']) {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') log.warn({ err: error, path }, 'a witness of the store cannot be read')
    return undefined
  }
  try {
    const { store: id, noted, sure = null } = readWitness(text, path)
    if (sure === null || typeof sure === 'string') return { id, noted, sure }
    log.warn({ path }, 'a witness of the store has an invalid member sure, which counts as null')
    return { id, noted, sure: null }
  } catch (error) {
    log.warn({ err: error, path }, 'a witness of the store has invalid content')
    return undefined
  }
}
