/** Brings what the tests of clients need, for `test/support/prepare.ts`. */
import { basename } from 'node:path'
import type { Provided } from '../support/apt.ts'
import type { ToolchainName } from './client-row.ts'
import { rowsInCi } from './table.ts'
import { TOOLCHAINS } from './toolchains/index.ts'

type Announce = (line: string) => void

/** What is brought at the same time. Maven may not run twice at once. */
const GROUPS: Readonly<Record<string, readonly ToolchainName[]>> = {
  'clients-python': ['python'],
  'clients-go': ['go'],
  'clients-java': ['nimbus', 'spring', 'camel', 'wsc'],
}

const neededIn = (group: readonly ToolchainName[]) =>
  group.filter((name) => rowsInCi(name).length > 0).map((name) => TOOLCHAINS[name])

/** Of the clients that run in each test run, by the name of a part. */
export const clientParts = (
  announce: Announce,
): Readonly<Record<string, () => Promise<readonly Provided[]>>> =>
  Object.fromEntries(
    Object.entries(GROUPS).map(([part, names]) => [
      part,
      async () => {
        const provided: Provided[] = []
        for (const toolchain of neededIn(names)) provided.push(await toolchain.provide(announce))
        return provided
      },
    ]),
  )

/** Names of the folders that are made in the cache of the tests. */
export const clientFolders = (): readonly string[] =>
  Object.values(GROUPS)
    .flatMap(neededIn)
    .flatMap(({ folder }) => (folder === undefined ? [] : [basename(folder)]))
