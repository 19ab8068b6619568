/** Which answers pass by themselves: all there is to do is to wait. One table, with its sources. Pure. */
import type { OutboundAnswer } from '../../http/outbound/outbound.ts'
import { formOf } from '../token-endpoint/answer-form.ts'

type Answer = Pick<OutboundAnswer, 'status' | 'headers' | 'body'>

interface TransientRow {
  readonly isIt: (answer: Answer) => boolean
  /** What it means; completes "Salesforce …". */
  readonly meaning: string
  /** Where that is from. */
  readonly source: string
}

const isPage = (answer: Answer): boolean => formOf(answer) === 'page'
const isBetween = (status: number, least: number, most: number): boolean =>
  status >= least && status <= most

/** The first row that fits wins. */
export const TRANSIENT = {
  edge: {
    isIt: ({ status }) => status === 420,
    meaning: 'has no route to the org yet: it is being moved, or in maintenance',
    source: 'Salesforce Edge; jsforce retries it (src/request.ts)',
  },
  too_many_requests: {
    isIt: ({ status }) => status === 429,
    meaning: 'takes no more requests for now',
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
      'or something on the way answers a page instead of OAuth: maintenance, a proxy or filter, or a host that is no login host',
    source: 'sfdx-core takes text/html for no OAuth answer (src/org/authInfo.ts)',
  },
} as const satisfies Record<string, TransientRow>

export type TransientReason = keyof typeof TRANSIENT

/** Undefined: waiting alone does not help. An OAuth error is judged by the table of refusals, and not here. */
export function transientOf(answer: Answer): TransientReason | undefined {
  const rows = Object.entries(TRANSIENT) as readonly [TransientReason, TransientRow][]
  return rows.find(([, { isIt }]) => isIt(answer))?.[0]
}
