/** One row of `npm run bench -- faults`: what goes wrong, what must be seen of it, and how it is run. */
import { type Fleet, type FleetOptions, startFleet } from '../test/support/fleet.ts'
import { type Seen, tally } from '../test/support/load.ts'

export interface Teardown {
  teardown(end: () => unknown): void
}

export interface Result {
  readonly shown: string
  readonly holds: boolean
}

export interface Row {
  readonly what: string
  readonly must: string
  run(t: Teardown): Promise<Result>
}

export const onFleet =
  (options: FleetOptions, run: (fleet: Fleet) => Promise<Result>) => async (t: Teardown) =>
    run(await startFleet(t, options))

export const codes = (seen: readonly Seen[]): string =>
  Object.entries(tally(seen.map(({ status, code }) => code ?? status)))
    .map(([code, count]) => `${count} × ${code}`)
    .join(', ')

export const shareOk = (seen: readonly Seen[]) => seen.filter(({ status }) => status === 200).length
