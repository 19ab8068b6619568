/** `If-Match` and `If-None-Match` (RFC 9110, section 13.1), by strong comparison. */
import { BrokerError } from '../errors.ts'
import { etagOf, type Integration } from './integration.ts'

export interface Preconditions {
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
}

const tags = (header: string) => header.split(',').map((tag) => tag.trim())

const names = (header: string, integration: Integration | undefined) =>
  integration !== undefined && (header.trim() === '*' || tags(header).includes(etagOf(integration)))

/** Only creates: `If-None-Match: *` (or the current ETag) and it exists is `integration_changed`. */
export function checkIfNoneMatch(
  { ifNoneMatch }: Preconditions,
  current: Integration | undefined,
): void {
  if (ifNoneMatch !== undefined && names(ifNoneMatch, current)) {
    throw new BrokerError(
      'integration_changed',
      'It exists already, and If-None-Match forbids that',
    )
  }
}

/** A given `If-Match` must name what is there. */
export function checkIfMatch({ ifMatch }: Preconditions, current: Integration | undefined): void {
  if (ifMatch !== undefined && !names(ifMatch, current)) {
    throw new BrokerError(
      'integration_changed',
      current
        ? 'If-Match names another version than the current one'
        : 'If-Match names what is not there',
    )
  }
}

export function requireIfMatch(preconditions: Preconditions, current: Integration): void {
  if (preconditions.ifMatch === undefined) {
    throw new BrokerError(
      'precondition_required',
      'A change to an existing integration needs If-Match',
    )
  }
  checkIfMatch(preconditions, current)
}
