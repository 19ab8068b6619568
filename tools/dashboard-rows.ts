/** The content of the dashboard: rows of panels with their queries. */
import { NEAR_DAYS, SOON_DAYS } from '../src/doctor/credential-checks.ts'
import {
  type DashboardRow,
  FLEET,
  graph,
  latencies,
  one,
  quantile,
  rateOf,
  stat,
  table,
} from './dashboard-panels.ts'
import { SERVICE_ROWS } from './dashboard-service-rows.ts'

const OF_INTEGRATION = `${FLEET}, environment=~"$environment"`

/** As the doctor warns and fails: it counts whole days, and these are the last ones. */
const CERTIFICATE_DAYS = [SOON_DAYS + 1, NEAR_DAYS + 1] as const

const OWNER = 'integration, environment, owner'

export const ROWS: readonly DashboardRow[] = [
  {
    title: 'Now',
    height: 4,
    panels: [
      {
        ...stat('Replicas ready', 'none', `sum(valetkey_ready{${FLEET}})`),
        description:
          'Replicas whose `/readyz` answers 200. Fewer than you run: some are starting, stopping, or cannot write the audit.',
        runbook: 'ValetkeyReplicaNotReady',
      },
      {
        ...stat(
          'Token reads',
          'reqps',
          `sum(rate(valetkey_token_reads_total{${FLEET}}[$__rate_interval]))`,
        ),
        description:
          'Requests for tokens in a second, by all callers. None although services run: callers do not reach the service.',
        runbook: 'ValetkeyNoReplicaReady',
      },
      {
        ...stat(
          'Served from memory',
          'percentunit',
          `sum(rate(valetkey_token_reads_total{${FLEET}, result="hit"}[$__rate_interval])) / sum(rate(valetkey_token_reads_total{${FLEET}}[$__rate_interval]))`,
        ),
        description:
          'The share of reads that needed no login and no wait. It falls where tokens are not refreshed ahead.',
        runbook: 'ValetkeyRefreshAheadLate',
      },
      {
        ...stat(
          'Integrations refused',
          'none',
          `count(max by (integration) (valetkey_integration_refused{${OF_INTEGRATION}}) == 1) or vector(0)`,
        ),
        steps: [1, 1],
        description:
          'Integrations that get no token until somebody acts. The table below says why.',
        runbook: 'ValetkeyIntegrationRefused',
      },
      {
        ...stat(
          'Next certificate ends in',
          'd',
          `min(valetkey_certificate_expires_in_seconds{${OF_INTEGRATION}}) / 86400`,
        ),
        steps: CERTIFICATE_DAYS,
        description:
          'Days to the end of the first certificate. Red where the doctor fails it: 14 days or fewer.',
        runbook: 'ValetkeyCertificateEndsIn14Days',
      },
      {
        ...stat(
          'Replicas that hear the store',
          'none',
          `sum(valetkey_readiness_check_ok{${FLEET}, check="store"})`,
        ),
        description:
          'Replicas that heard the store within the last second. The others serve from memory for a limited time.',
        runbook: 'ValetkeyStoreUnreachable',
      },
    ],
  },
  {
    title: 'Traffic',
    height: 8,
    panels: [
      {
        ...graph('Token reads by result', 'reqps', 8),
        description:
          '`hit` and `collapsed` are well. `refused` and `limited` need somebody, and `unavailable` is an outage.',
        runbook: 'ValetkeyIntegrationRefused',
        queries: one(rateOf('valetkey_token_reads_total', 'result'), '{{result}}'),
        stacked: true,
      },
      {
        ...graph('Token reads: latency by result', 's', 8),
        description:
          'Time to find or mint the token, without authentication and HTTP. A slow `hit` is a busy replica; a slow `miss` is Salesforce.',
        runbook: 'ValetkeyStoreSlow',
        queries: latencies('valetkey_token_read_duration_seconds', 'result'),
      },
      {
        ...graph('Requests by status', 'reqps', 8),
        description:
          'Answers of the API. Many 401 are wrong keys, 424 are refusals of Salesforce, and 503 are outages.',
        runbook: 'ValetkeyAuthenticationFailuresSpike',
        queries: one(rateOf('valetkey_http_requests_total', 'status'), '{{status}}'),
        stacked: true,
      },
      {
        ...graph('Requests: latency by route', 's', 8),
        description:
          'The slowest hundredth of the requests of each route. All routes slow: the replica is busy. Some: the store or Salesforce is.',
        runbook: 'ValetkeyStoreSlow',
        queries: one(
          quantile(0.99, 'valetkey_http_request_duration_seconds', 'route'),
          'p99 {{route}}',
        ),
      },
      {
        ...graph('Problems by code', 'reqps', 8),
        description:
          'Problems that callers were answered. `docs/errors.md` has each code and its remedy.',
        runbook: 'ValetkeyIntegrationRefused',
        queries: one(`${rateOf('valetkey_problems_total', 'code')} > 0`, '{{code}}'),
      },
      {
        ...graph('Authentication failures by reason', 'reqps', 8),
        description:
          'Credentials that were refused. A sudden rise is a key that was revoked too early, or somebody who guesses.',
        runbook: 'ValetkeyAuthenticationFailuresSpike',
        queries: one(
          `${rateOf('valetkey_authentication_failures_total', 'reason')} > 0`,
          '{{reason}}',
        ),
      },
      {
        ...graph('What is unusual, by the hour', 'none', 12),
        description:
          'New callers, networks, rates, scopes and instances of watched integrations. `docs/unusual.md` says what each is.',
        runbook: 'ValetkeyCallerNew',
        queries: one(
          `sum by (action) (increase(valetkey_unusual_total{${FLEET}}[1h]))`,
          '{{action}}',
        ),
      },
      {
        ...graph('Proofs by result', 'reqps', 12),
        queries: one(`${rateOf('valetkey_proofs_total', 'result')} > 0`, '{{result}}'),
        description: 'Experimental. Each result but signed is a refusal.',
        runbook: 'ValetkeyRefusalsSpike',
      },
    ],
  },
  {
    title: 'Mints and refusals',
    height: 8,
    panels: [
      {
        ...graph('Mints by grant and outcome', 'reqps', 8),
        description:
          'Logins at Salesforce. `refused` needs somebody at Salesforce; `unavailable` recovers by itself.',
        runbook: 'ValetkeyRefusalsSpike',
        queries: one(rateOf('valetkey_mints_total', 'grant, outcome'), '{{grant}} {{outcome}}'),
      },
      {
        ...graph('Mints: latency by grant', 's', 8),
        description:
          'How long Salesforce takes for a login. Callers of a cold token wait that long.',
        runbook: 'ValetkeyRefreshAheadLate',
        queries: latencies('valetkey_mint_duration_seconds', 'grant'),
      },
      {
        ...graph('Refusals by reason', 'reqps', 8),
        description:
          'Logins that Salesforce refused, by the reason that was recognised. Many at once: a change in Setup or a policy.',
        runbook: 'ValetkeyRefusalsSpike',
        queries: one(`${rateOf('valetkey_refusals_total', 'reason')} > 0`, '{{reason}}'),
      },
      {
        ...table('Refused or not connected now', 'none', 12),
        description:
          'Integrations that need somebody, and the reason of the last refusal. Without a reason: its refresh token works no more.',
        runbook: 'ValetkeyIntegrationRefused',
        queries: one(
          `max by (${OWNER}, reason) (valetkey_integration_refusal{${OF_INTEGRATION}}) or on (integration) max by (${OWNER}) (valetkey_connection_lost{${OF_INTEGRATION}}) == 1`,
        ),
      },
      {
        ...graph('Waits for a mint of another replica', 's', 6),
        description: 'How long callers wait while another replica logs in for them.',
        runbook: 'ValetkeyRefreshAheadLate',
        queries: latencies('valetkey_lock_wait_seconds'),
      },
      {
        ...graph('Left alone for a while', 'none', 6),
        description: 'What Valetkey does not ask at the moment, because it failed again and again.',
        runbook: 'What rests',
        queries: [
          { expr: `max(valetkey_login_hosts_resting{${FLEET}})`, legend: 'login hosts' },
          { expr: `max(valetkey_login_clients_resting{${FLEET}})`, legend: 'failing clients' },
          { expr: `max(valetkey_refusals_resting{${FLEET}})`, legend: 'refused integrations' },
        ],
      },
    ],
  },
  {
    title: 'Leases',
    height: 8,
    panels: [
      {
        ...graph('Leases by state', 'none', 6),
        description:
          'In the memory of the replica that has most of them. `due` ones are about to be refreshed.',
        runbook: 'ValetkeyRefreshAheadLate',
        queries: one(`max by (state) (valetkey_leases{${FLEET}})`, '{{state}}'),
      },
      {
        ...graph('Least time left', 's', 6),
        description:
          'The tokens that end next. A line that reaches zero is a token that was not refreshed.',
        runbook: 'ValetkeyRefreshAheadLate',
        queries: one(
          `bottomk(10, max by (integration) (valetkey_lease_expires_in_seconds{${OF_INTEGRATION}}))`,
          '{{integration}}',
        ),
      },
      {
        ...graph('Refresh-ahead by outcome', 'reqps', 4),
        description: 'Refreshes before the end of a token. Failed ones are tried again.',
        runbook: 'ValetkeyRefreshAheadLate',
        queries: one(rateOf('valetkey_refresh_ahead_total', 'outcome'), '{{outcome}}'),
      },
      {
        ...graph('Refresh-ahead: lateness', 's', 4),
        description:
          'How long after its time a refresh began. It grows where logins are slow or limited.',
        runbook: 'ValetkeyRefreshAheadLate',
        queries: latencies('valetkey_refresh_ahead_lateness_seconds'),
      },
      {
        ...graph('Refresh-ahead: overdue', 's', 4),
        description: 'Tokens in use whose refresh is late, the latest first.',
        runbook: 'ValetkeyRefreshAheadLate',
        queries: one(
          `topk(10, max by (integration) (valetkey_refresh_ahead_overdue_seconds{${OF_INTEGRATION}}))`,
          '{{integration}}',
        ),
        steps: [10, 60],
      },
    ],
  },
  {
    title: 'Certificates and budgets',
    height: 9,
    panels: [
      {
        ...table('Certificates by days left', 'd', 10),
        description:
          'Active certificates. Red where the doctor fails: 14 days or fewer; yellow where it warns: 60 or fewer.',
        runbook: 'ValetkeyCertificateEndsIn14Days',
        queries: one(
          `sort(min by (${OWNER}) (valetkey_certificate_expires_in_seconds{${OF_INTEGRATION}}) / 86400)`,
        ),
        steps: CERTIFICATE_DAYS,
      },
      {
        ...graph('Login budget spent', 'percentunit', 7),
        description:
          'Logins of the last hour, as a share of `logins_per_hour`. At 1, no login is made before the hour is over.',
        runbook: 'ValetkeyLoginBudgetNearlySpent',
        queries: one(
          `topk(10, max by (integration) (valetkey_logins_last_hour{${OF_INTEGRATION}} / valetkey_logins_per_hour_limit{${OF_INTEGRATION}}))`,
          '{{integration}}',
        ),
        steps: [0.6, 0.8],
      },
      {
        ...graph('Login budget of the Salesforce user spent', 'percentunit', 7),
        description: 'All integrations of one Salesforce user have 3,000 logins an hour together.',
        runbook: 'ValetkeyLoginBudgetNearlySpent',
        queries: one(
          `topk(10, max by (integration) (valetkey_user_logins_last_hour{${OF_INTEGRATION}} / 3000))`,
          '{{integration}}',
        ),
        steps: [0.6, 0.8],
      },
    ],
  },
  ...SERVICE_ROWS,
]
