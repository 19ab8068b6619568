import { BrokerError } from '../errors.ts'

/** The form in which this release writes records. Raise it when an older release could no longer read them. */
export const SCHEMA = 1

/** Refuses a record that a newer release wrote, before an older one misreads it. */
export function checkSchema(schema: number): void {
  if (schema > SCHEMA) {
    throw new BrokerError('record_corrupt', 'The record was written by a newer release')
  }
}
