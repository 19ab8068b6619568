/** Answers that are temporary, so that waiting is the remedy. Each row states its source. */
import type { OutboundAnswer } from '../../http/outbound/outbound.ts'
import { formOf } from '../token-endpoint/answer-form.ts'

type Answer = Pick<OutboundAnswer, 'status' | 'headers' | 'body'>

interface TransientRow {
  readonly isIt: (answer: Answer) => boolean
  readonly meaning: string
  readonly source: string
}

const isPage = (answer: Answer): boolean => formOf(answer) === 'page'
const isBetween = (status: number, least: number, most: number): boolean =>
  status >= least && status <= most

/** The first matching row wins. */
export const TRANSIENT = {
  edge: {
    isIt: ({ status }) => status === 420,
    meaning: 'has no route to the org: it is being moved, or is in maintenance',
    source: 'Salesforce Edge; jsforce retries it (src/request.ts)',
  },
  too_many_requests: {
    isIt: ({ status }) => status === 429,
    meaning: 'accepts no more requests at present',
    source: 'RFC 6585, section 4; jsforce and datacloud-jdbc retry it',
  },
  request_timeout: {
    isIt: ({ status }) => status === 408,
    meaning: 'did not receive the request in time',
    source: 'RFC 9110, section 15.5.9',
  },
  server_error: {
    isIt: ({ status }) => status >= 500,
    meaning: 'has a server error, or is in maintenance',
    source: 'RFC 9110, section 15.6; BookingBug/sfdc-oauth#22 (maintenance, instance refresh)',
  },
  page: {
    isIt: (answer) =>
      (isBetween(answer.status, 200, 299) || isBetween(answer.status, 400, 499)) && isPage(answer),
    meaning:
      'or another server answers with a page instead of OAuth: a maintenance page, a proxy or filter, or a host that is not a login host',
    source: 'sfdx-core takes text/html for no OAuth answer (src/org/authInfo.ts)',
  },
} as const satisfies Record<string, TransientRow>

export type TransientReason = keyof typeof TRANSIENT

/** Undefined if waiting does not help. The table of refusals classifies OAuth errors, not this one. */
export function transientOf(answer: Answer): TransientReason | undefined {
  const rows = Object.entries(TRANSIENT) as readonly [TransientReason, TransientRow][]
  return rows.find(([, { isIt }]) => isIt(answer))?.[0]
}
