/** `If-Match` and `If-None-Match` (RFC 9110, section 13.1), by strong comparison. Checked after the state of what they are about: what is refused without them is refused so with them (section 13.2.1). */
import { allows, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { etagOf, type Integration } from './integration.ts'

export interface Preconditions {
  readonly ifMatch?: string
  readonly ifNoneMatch?: string
  /** Whether the one who asks may be told the current ETag. Default: nobody may. */
  readonly mayRead?: (current: Integration) => boolean
}

interface ConditionalRequest {
  readonly headers: {
    readonly 'if-match'?: string | undefined
    readonly 'if-none-match'?: string | undefined
  }
  readonly principal: Principal
}

/** As a request states them. Who has `integrations:read` may be told the ETag. */
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

/** Only creates: `If-None-Match: *` (or the current ETag) and it exists is `integration_changed`. */
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

/** A given `If-Match` must name what is there. */
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

/** The same for what a patch was laid over, and for nothing else: a change in between must not be undone by it, whatever `If-Match` names. */
export function pinnedTo(current: Integration, preconditions: Preconditions): Preconditions {
  const { ifMatch } = preconditions
  if (ifMatch === undefined) return preconditions
  return { ...preconditions, ifMatch: names(ifMatch, current) ? etagOf(current) : NOTHING }
}

/** Names no version. */
const NOTHING = ''

/** With the ETag that a next try may name, where the one who asks may read it. */
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
