import { BrokerError } from '../../errors/errors.ts'
import type { Page } from '../records.ts'

/** Version of the form in which this release writes records. Increase it if an older release cannot read them. */
export const SCHEMA = 1

/** Refuses a record of a newer release, so that it is not misread. */
export function checkSchema(schema: number): void {
  if (schema > SCHEMA) {
    throw new BrokerError('record_corrupt', 'The record was written by a newer release')
  }
}

/** Parses one record. Only throws `record_corrupt` or `another_version`, because an unusable record is not a failure of the store. */
export function readRecord<Value>(name: string, parse: () => Value): Value {
  try {
    return parse()
  } catch (cause) {
    if (isUnusable(cause)) throw cause
    throw new BrokerError('record_corrupt', `The record ${name} cannot be read`, { cause })
  }
}

/** A page without records for which `parse` throws `record_corrupt` or `another_version`. Those are named. One more row than `limit` shows that there is another page. */
export function usablePageOf<Row, Item>(
  rows: readonly Row[],
  limit: number,
  { idOf, parse }: { idOf(row: Row): string; parse(row: Row, id: string): Item },
): Page<Item> {
  const items: Item[] = []
  const corrupt: string[] = []
  const shown = rows.slice(0, limit)
  for (const row of shown) {
    const id = idOf(row)
    try {
      items.push(parse(row, id))
    } catch (error) {
      // Any other error is caused by the record.
      if (error instanceof BrokerError && !isUnusable(error)) throw error
      corrupt.push(id)
    }
  }
  const last = shown.at(-1)
  return {
    items,
    ...(corrupt.length > 0 && { corrupt }),
    next: rows.length > limit && last !== undefined ? idOf(last) : null,
  }
}

/** The same for items of a page from the store. */
export function usableOf<Item, Parsed>(
  { items, corrupt = [], next }: Page<Item>,
  of: { idOf(item: Item): string; parse(item: Item, id: string): Parsed },
): Page<Parsed> {
  const read = usablePageOf(items, items.length, of)
  const unusable = [...corrupt, ...(read.corrupt ?? [])]
  return { items: read.items, next, ...(unusable.length > 0 && { corrupt: unusable }) }
}

/** Whether one record is corrupt. The store itself works. */
export const isCorrupt = (error: unknown): error is BrokerError =>
  error instanceof BrokerError && error.code === 'record_corrupt'

/** The record has a form or a kind that this release does not know. */
export const anotherVersion = (record: string): BrokerError =>
  new BrokerError(
    'another_version',
    `Another version wrote ${record}: this replica does not know it`,
  )

/** Whether one record is unusable here, for any reason. The store itself works. */
export const isUnusable = (error: unknown): error is BrokerError =>
  isCorrupt(error) || (error instanceof BrokerError && error.code === 'another_version')

/** A corrupt record counts as absent. */
export const unlessCorrupt = <Found>(
  read: Promise<Found | undefined>,
): Promise<Found | undefined> => unless(isCorrupt, read)

/** Work on an unusable record stops; other work continues. */
export const unlessUnusable = <Found>(
  work: Promise<Found | undefined>,
): Promise<Found | undefined> => unless(isUnusable, work)

async function unless<Found>(
  isExpected: (error: unknown) => boolean,
  work: Promise<Found | undefined>,
): Promise<Found | undefined> {
  try {
    return await work
  } catch (error) {
    if (isExpected(error)) return undefined
    throw error
  }
}
