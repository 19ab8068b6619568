/** Whether the login host can be reached at all: name, connection, TLS, clock, by one request without a credential. */

import { BrokerError } from '../errors.ts'
import { isSalesforcesOwn } from '../grants/salesforce-answer.ts'
import { ALARM_MS, leastDifferenceMs, type SalesforceClock } from '../grants/salesforce-clock.ts'
import { transientOf } from '../grants/transient.ts'
import type { HostRules } from '../http/login-host.ts'
import type { Outbound, OutboundAnswer, OutboundFailure } from '../http/outbound.ts'
import { type Check, failed, passed, skipped } from './check.ts'
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
  const outcome = await outbound.send({
    url: `${loginUrl}${PATH}`,
    headers: { accept: 'application/json', 'user-agent': 'valetkey' },
    signal: AbortSignal.timeout(CHECK_MS),
    repeatable: true,
  })
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
): Check {
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

function clockCheck(date: string | undefined, sentAt: number, receivedAt: number): Check {
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

/** TLS's own codes, and those of OpenSSL in Node. */
const TLS_CODE =
  /^(?:ERR_(?:TLS|SSL)_|CERT_|CRL_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_(?:CA|PURPOSE)|PATH_LENGTH_EXCEEDED|EPROTO)/
const UNRESOLVED = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EAI_FAIL', 'EAI_NODATA', 'ENODATA'])

function failure({ reason, cause }: OutboundFailure, host: string): HostFindings {
  const code = codeIn(cause)
  const named = code === undefined ? '' : ` (${code})`
  switch (reason) {
    case 'too_large':
    case 'undecodable':
      return {
        checks: [
          passed('login_host', `${host} resolves and answers.`),
          passed('tls', `The certificate of ${host} is trusted, and is for this name.`),
          passed('clock', 'The host does not say what time it is.'),
        ],
        isReachable: true,
      }
    case 'address_refused':
      return unreachable(
        failed(
          'login_host',
          `${host} resolves to an address that is not public, or to none.`,
          'Look at the DNS here: Salesforce has public addresses, and nothing else is called.',
        ),
      )
    case 'timeout':
      return {
        ...unreachable(
          failed(
            'login_host',
            `${host} did not answer in 5 seconds.`,
            'Look at the firewall and the proxy (HTTPS_PROXY) on the way, and at status.salesforce.com.',
          ),
        ),
        isReachable: true,
      }
    case 'unreachable':
      break
  }
  if (code !== undefined && TLS_CODE.test(code)) {
    return {
      checks: [
        passed('login_host', `${host} resolves, and takes connections.`),
        failed(
          'tls',
          `The TLS certificate of ${host} is not trusted${named}.`,
          'Look for a proxy on the way that opens TLS, and have Node trust its CA (NODE_EXTRA_CA_CERTS); look at the clock here.',
        ),
        skipped('clock', 'tls'),
      ],
      isReachable: false,
    }
  }
  if (code !== undefined && UNRESOLVED.has(code)) {
    return unreachable(
      failed(
        'login_host',
        `${host} does not resolve${named}.`,
        'Correct the host in login_url (Setup → My Domain → Current My Domain URL); look at the DNS here.',
      ),
    )
  }
  return unreachable(
    failed(
      'login_host',
      `${host} cannot be reached, or breaks off the connection${named}.`,
      'Look at the firewall and the proxy (HTTPS_PROXY) on the way.',
    ),
  )
}

const unreachable = (check: Check): HostFindings => ({
  checks: [check, skipped('tls', 'login_host'), skipped('clock', 'login_host')],
  isReachable: false,
})

const DEPTH = 5

/** The first code of a chain of causes; several addresses fail with several errors. */
function codeIn(error: unknown, depth = 0): string | undefined {
  if (!(error instanceof Error) || depth > DEPTH) return undefined
  const { code } = error as NodeJS.ErrnoException
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code)) return code
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause
  return codeIn(inner, depth + 1)
}
