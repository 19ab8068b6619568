/** Whether the login host can be reached at all: name, connection, TLS, clock, by one request without a credential. */

import { BrokerError } from '../errors/errors.ts'
import { transientOf } from '../grants/refusals/transient.ts'
import { ALARM_MS, leastDifferenceMs, type SalesforceClock } from '../grants/salesforce-clock.ts'
import { isSalesforcesOwn } from '../grants/token-endpoint/salesforce-answer.ts'
import { isBeforeRequest, TIMED_OUT } from '../http/outbound/hop.ts'
import { wordsOf } from '../http/outbound/hop-words.ts'
import type { HostRules } from '../http/outbound/login-host.ts'
import type { Outbound, OutboundAnswer, OutboundFailure } from '../http/outbound/outbound.ts'
import { within } from '../runtime/timeout.ts'
import { type DiagnosisCheck, failed, passed, skipped } from './check.ts'
import type { HostFindings } from './recent-hosts.ts'
import { remedyAt } from './remedies.ts'
import { CHECK_MS } from './time-limit.ts'

export interface HostChecksDependencies {
  readonly outbound: Pick<Outbound, 'send'>
  readonly hosts: Pick<HostRules, 'checkLoginUrl' | 'isSalesforceOwn'>
  /** What is learned here dates the assertions that follow. */
  readonly clock: Pick<SalesforceClock, 'learn'>
  readonly now: () => number
}

/** Whatever is in the way says nothing at all. */
const unanswered = (): OutboundFailure => ({
  ok: false,
  reason: 'timeout',
  hop: { at: 'host', step: 'http', code: TIMED_OUT },
})

const PATH = '/.well-known/openid-configuration'

export async function checkHost(
  loginUrl: string,
  { outbound, hosts, clock, now }: HostChecksDependencies,
): Promise<HostFindings> {
  const { host, protocol } = new URL(loginUrl)
  try {
    hosts.checkLoginUrl(loginUrl)
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    return unreachable(
      failed(
        'login_host',
        `It may not be called: ${error.detail}.`,
        `${remedyAt('login_host', error)} Or list its host in VALETKEY_LOGIN_HOSTS.`,
      ),
    )
  }
  const sentAt = now()
  const ask = (signal: AbortSignal) =>
    outbound.send({
      url: `${loginUrl}${PATH}`,
      headers: { accept: 'application/json', 'user-agent': 'valetkey' },
      signal,
      repeatable: true,
    })
  const outcome = await within(CHECK_MS, ask, { late: unanswered })
  const receivedAt = now()
  if (!outcome.ok) return failure(outcome, host)
  // What else answers in its place has a clock of its own.
  const date = isSalesforcesOwn(outcome) ? outcome.headers.date : undefined
  clock.learn(host, { date, sentAt, receivedAt })
  const isPlain = protocol === 'http:'
  return {
    checks: [
      answering(outcome, host, hosts),
      passed(
        'tls',
        isPlain
          ? 'Plain HTTP, which VALETKEY_LOGIN_HOSTS allows for this loopback address.'
          : `The certificate of ${host} is trusted, and is for this name.`,
      ),
      clockCheck(date, sentAt, receivedAt),
    ],
    isReachable: true,
  }
}

function answering(
  answer: OutboundAnswer,
  host: string,
  hosts: Pick<HostRules, 'isSalesforceOwn'>,
): DiagnosisCheck {
  const { status, redirect } = answer
  const trouble = transientOf(answer)
  // Not every host has the document that is asked for: a page in its place says nothing.
  if (trouble !== undefined && trouble !== 'page') {
    return failed(
      'login_host',
      `${host} resolves, and answers with status ${status}.`,
      'Look at status.salesforce.com, and test again later.',
    )
  }
  const isElsewhere = redirect !== undefined && redirect.host !== host
  if (isElsewhere && hosts.isSalesforceOwn(redirect.hostname)) {
    return failed(
      'login_host',
      `${host} resolves, and sends everybody to ${redirect.hostname}: the My Domain was renamed.`,
      `Set login_url to https://${redirect.hostname}.`,
    )
  }
  return passed('login_host', `${host} resolves and answers.`)
}

function clockCheck(date: string | undefined, sentAt: number, receivedAt: number): DiagnosisCheck {
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs)) return passed('clock', 'The host does not say what time it is.')
  const aheadMs = leastDifferenceMs(theirs, { sentAt, receivedAt })
  if (Math.abs(aheadMs) <= ALARM_MS) return passed('clock', 'Both clocks agree within 30 seconds.')
  const seconds = Math.round(Math.abs(aheadMs) / 1_000)
  return failed(
    'clock',
    `The clock here is ${seconds} seconds ${aheadMs > 0 ? 'behind' : 'ahead of'} the one of the host.`,
    'Correct the clock (NTP) of this machine; with Redis, also the one of Redis. Assertions are dated by the clock of the host meanwhile.',
  )
}

function failure({ reason, hop }: OutboundFailure, host: string): HostFindings {
  if (reason === 'too_large' || reason === 'undecodable' || !hop) {
    return {
      checks: [
        passed('login_host', `${host} resolves and answers.`),
        passed('tls', `The certificate of ${host} is trusted, and is for this name.`),
        passed('clock', 'The host does not say what time it is.'),
      ],
      isReachable: true,
    }
  }
  if (reason === 'address_refused') {
    return unreachable(
      failed(
        'login_host',
        `${host} resolves to an address that is not public, or to none.`,
        'Look at the DNS here: Salesforce has public addresses, and nothing else is called.',
      ),
    )
  }
  const { detail, remedy } = wordsOf(hop, host)
  const told = remedy.replaceAll('`', '')
  if (hop.at === 'host' && hop.step === 'tls') {
    return {
      checks: [
        passed('login_host', `${host} resolves, and takes connections.`),
        failed('tls', detail, told),
        skipped('clock', 'tls'),
      ],
      isReachable: false,
    }
  }
  // Another request may be answered: this one may have met a host that is slow today.
  const isReachable = reason === 'timeout' && !isBeforeRequest(hop)
  return { ...unreachable(failed('login_host', detail, told)), isReachable }
}

const unreachable = (check: DiagnosisCheck): HostFindings => ({
  checks: [check, skipped('tls', 'login_host'), skipped('clock', 'login_host')],
  isReachable: false,
})
