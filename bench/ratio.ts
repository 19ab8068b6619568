/** Pairs that are measured in turn in one run, so that what disturbs one disturbs the other too. */

export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number) => sorted[Math.round((sorted.length - 1) * share)] ?? Number.NaN
  return { min: at(0), median: at(0.5), max: at(1) }
}

/** Measures both, `rounds` times, and each first every other time. */
export async function inTurn<Result>(
  rounds: number,
  first: () => Promise<Result>,
  second: () => Promise<Result>,
): Promise<readonly (readonly [Result, Result])[]> {
  const pairs: [Result, Result][] = []
  for (let round = 0; round < rounds; round += 1) {
    if (round % 2 === 0) pairs.push([await first(), await second()])
    else {
      const later = await second()
      pairs.push([await first(), later])
    }
  }
  return pairs
}
