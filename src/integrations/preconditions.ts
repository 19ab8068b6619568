/** `If-Match` and `If-None-Match` (RFC 9110, section 13.1), with strong comparison. Preconditions are checked last: a request that fails without them fails in the same way with them (section 13.2.1). */
import { allows, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { etagOf, type Integration } from './integration.ts'

export interface Preconditions {
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
  /** Whether the principal may learn the current ETag. Default: no. */
  readonly mayRead?: (current: Integration) => boolean
}

interface ConditionalRequest {
  readonly headers: {
    readonly 'if-match'?: string | undefined
    readonly 'if-none-match'?: string | undefined
  }
  readonly principal: Principal
}

/** Preconditions of a request. A principal with `integrations:read` may learn the ETag. */
export function preconditionsOf({ headers, principal }: ConditionalRequest): Preconditions {
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  return {
    ...(ifMatch !== undefined && { ifMatch }),
    ...(ifNoneMatch !== undefined && { ifNoneMatch }),
    mayRead: ({ name, labels }) => allows(principal, 'integrations:read', { name, labels }),
  }
}

const tags = (header: string) => header.split(',').map((tag) => tag.trim())

const names = (header: string, integration: Integration | undefined) =>
  integration !== undefined && (header.trim() === '*' || tags(header).includes(etagOf(integration)))

/** Only creates. With `If-None-Match: *` (or the current ETag), an existing integration is `integration_changed`. */
export function checkIfNoneMatch(
  preconditions: Preconditions,
  current: Integration | undefined,
): void {
  const { ifNoneMatch } = preconditions
  if (ifNoneMatch !== undefined && names(ifNoneMatch, current)) {
    throw failed(
      'integration_changed',
      'It exists already, and If-None-Match forbids that',
      preconditions,
      current,
    )
  }
}

/** If there is an `If-Match`, it must name the current version. */
export function checkIfMatch(preconditions: Preconditions, current: Integration | undefined): void {
  const { ifMatch } = preconditions
  if (ifMatch !== undefined && !names(ifMatch, current)) {
    const why = current
      ? 'If-Match names another version than the current one'
      : 'If-Match names what is not there'
    throw failed('integration_changed', why, preconditions, current)
  }
}

export function requireIfMatch(preconditions: Preconditions, current: Integration): void {
  if (preconditions.ifMatch === undefined) {
    throw failed(
      'precondition_required',
      'A change to an existing integration needs If-Match: the ETag that GET gave, or * for whatever is there',
      preconditions,
      current,
    )
  }
  checkIfMatch(preconditions, current)
}

/** Preconditions that only the version under a patch meets. The patch must not undo a change in between, whatever `If-Match` names. */
export function pinnedTo(current: Integration, preconditions: Preconditions): Preconditions {
  const { ifMatch } = preconditions
  if (ifMatch === undefined) return preconditions
  return { ...preconditions, ifMatch: names(ifMatch, current) ? etagOf(current) : NOTHING }
}

/** Matches no version. */
const NOTHING = ''

/** Includes the current ETag, if the principal may read it. */
function failed(
  code: 'integration_changed' | 'precondition_required',
  why: string,
  { mayRead }: Preconditions,
  current: Integration | undefined,
): BrokerError {
  if (!current) {
    const remedy = 'Leave If-Match out, or send If-None-Match: *, to create it.'
    return new BrokerError(code, why, { remedy })
  }
  if (!mayRead?.(current)) return new BrokerError(code, why)
  const etag = etagOf(current)
  return new BrokerError(code, `${why}. The current ETag is ${etag}`, {
    members: { etag },
    remedy: `Send If-Match: ${etag} to change what is there now, or If-Match: * to change whatever is there.`,
  })
}
