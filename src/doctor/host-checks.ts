/** Checks the login host with one request without a credential: DNS, connection, TLS, clock. */

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
  /** The measured difference dates later assertions. */
  readonly clock: Pick<SalesforceClock, 'learn'>
  readonly now: () => number
}

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
        `The host is not allowed: ${error.detail}.`,
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
  // Other servers have other clocks.
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
  // Not every host has this document, so a page in its place proves nothing.
  if (trouble !== undefined && trouble !== 'page') {
    return failed(
      'login_host',
      `${host} resolves, and answers with status ${status}.`,
      'Check status.salesforce.com, and test again later.',
    )
  }
  const isElsewhere = redirect !== undefined && redirect.host !== host
  if (isElsewhere && hosts.isSalesforceOwn(redirect.hostname)) {
    return failed(
      'login_host',
      `${host} resolves, and redirects to ${redirect.hostname}: the My Domain was renamed.`,
      `Set login_url to https://${redirect.hostname}.`,
    )
  }
  return passed('login_host', `${host} resolves and answers.`)
}

function clockCheck(date: string | undefined, sentAt: number, receivedAt: number): DiagnosisCheck {
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs)) return passed('clock', 'The host does not send its time.')
  const aheadMs = leastDifferenceMs(theirs, { sentAt, receivedAt })
  if (Math.abs(aheadMs) <= ALARM_MS) return passed('clock', 'Both clocks agree within 30 seconds.')
  const seconds = Math.round(Math.abs(aheadMs) / 1_000)
  return failed(
    'clock',
    `The clock here is ${seconds} seconds ${aheadMs > 0 ? 'behind' : 'ahead of'} the one of the host.`,
    'Correct the clock (NTP) of this machine; with Redis, also the one of Redis. Until then, assertions use the clock of the host.',
  )
}

function failure({ reason, hop }: OutboundFailure, host: string): HostFindings {
  if (reason === 'too_large' || reason === 'undecodable' || !hop) {
    return {
      checks: [
        passed('login_host', `${host} resolves and answers.`),
        passed('tls', `The certificate of ${host} is trusted, and is for this name.`),
        passed('clock', 'The host does not send its time.'),
      ],
      isReachable: true,
    }
  }
  if (reason === 'address_refused') {
    return unreachable(
      failed(
        'login_host',
        `${host} resolves to no address, or to one that is not public.`,
        'Check the DNS of this machine: Salesforce has public addresses, and no other ones are allowed.',
      ),
    )
  }
  const { detail, remedy } = wordsOf(hop, host)
  const told = remedy.replaceAll('`', '')
  if (hop.at === 'host' && hop.step === 'tls') {
    return {
      checks: [
        passed('login_host', `${host} resolves and accepts connections.`),
        failed('tls', detail, told),
        skipped('clock', 'tls'),
      ],
      isReachable: false,
    }
  }
  // A time-out after the request was sent does not prove that the host is unreachable.
  const isReachable = reason === 'timeout' && !isBeforeRequest(hop)
  return { ...unreachable(failed('login_host', detail, told)), isReachable }
}

const unreachable = (check: DiagnosisCheck): HostFindings => ({
  checks: [check, skipped('tls', 'login_host'), skipped('clock', 'login_host')],
  isReachable: false,
})
