/** The content of the dashboard: rows of panels with their queries. */
import { NEAR_DAYS, SOON_DAYS } from '../src/doctor/credential-checks.ts'

interface Query {
  readonly expr: string
  /** `{{label}}` stands for the value of the label. */
  readonly legend: string
}

export interface Panel {
  readonly title: string
  readonly type: 'stat' | 'timeseries' | 'table'
  /** Name of the unit in Grafana. */
  readonly unit: string
  readonly queries: readonly Query[]
  /** Width in columns, of 24. */
  readonly width: number
  /** Limits of green, yellow and red. If they fall, higher values are better. */
  readonly steps?: readonly [yellow: number, red: number]
  readonly stacked?: boolean
  readonly description?: string
}

interface DashboardRow {
  readonly title: string
  readonly height: number
  readonly panels: readonly Panel[]
}

const FLEET = 'job=~"$job"'
const OF_INTEGRATION = `${FLEET}, environment=~"$environment"`

const rateOf = (metric: string, by: string, matchers = FLEET) =>
  `sum by (${by}) (rate(${metric}{${matchers}}[$__rate_interval]))`

const quantile = (share: number, metric: string, by?: string) =>
  `histogram_quantile(${share}, sum by (${by ? `le, ${by}` : 'le'}) (rate(${metric}_bucket{${FLEET}}[$__rate_interval])))`

/** The median and the 99th percentile, for each value of a label if there is one. */
const latencies = (metric: string, by?: string): readonly Query[] =>
  [50, 99].map((share) => ({
    expr: quantile(share / 100, metric, by),
    legend: `p${share}${by ? ` {{${by}}}` : ''}`,
  }))

const one = (expr: string, legend = ''): readonly Query[] => [{ expr, legend }]

/** As the doctor warns and fails. */
const CERTIFICATE_DAYS = [SOON_DAYS, NEAR_DAYS] as const

const OWNER = 'integration, environment, owner'

export const ROWS: readonly DashboardRow[] = [
  {
    title: 'Now',
    height: 4,
    panels: [
      stat('Replicas ready', 'none', `sum(valetkey_ready{${FLEET}})`),
      stat(
        'Token reads',
        'reqps',
        `sum(rate(valetkey_token_reads_total{${FLEET}}[$__rate_interval]))`,
      ),
      stat(
        'Served from memory',
        'percentunit',
        `sum(rate(valetkey_token_reads_total{${FLEET}, result="hit"}[$__rate_interval])) / sum(rate(valetkey_token_reads_total{${FLEET}}[$__rate_interval]))`,
      ),
      stat(
        'Integrations refused',
        'none',
        `count(max by (integration) (valetkey_integration_refused{${OF_INTEGRATION}}) == 1) or vector(0)`,
        [1, 1],
      ),
      stat(
        'Next certificate ends in',
        'd',
        `min(valetkey_certificate_expires_in_seconds{${OF_INTEGRATION}}) / 86400`,
        CERTIFICATE_DAYS,
      ),
      stat(
        'Replicas that hear the store',
        'none',
        `sum(valetkey_readiness_check_ok{${FLEET}, check="store"})`,
      ),
    ],
  },
  {
    title: 'Traffic',
    height: 8,
    panels: [
      {
        ...graph('Token reads by result', 'reqps', 8),
        queries: one(rateOf('valetkey_token_reads_total', 'result'), '{{result}}'),
        stacked: true,
      },
      {
        ...graph('Token reads: latency by result', 's', 8),
        queries: latencies('valetkey_token_read_duration_seconds', 'result'),
        description: 'Time to find or mint the token, without authentication and HTTP.',
      },
      {
        ...graph('Requests by status', 'reqps', 8),
        queries: one(rateOf('valetkey_http_requests_total', 'status'), '{{status}}'),
        stacked: true,
      },
      {
        ...graph('Requests: latency by route', 's', 8),
        queries: one(
          quantile(0.99, 'valetkey_http_request_duration_seconds', 'route'),
          'p99 {{route}}',
        ),
      },
      {
        ...graph('Problems by code', 'reqps', 8),
        queries: one(`${rateOf('valetkey_problems_total', 'code')} > 0`, '{{code}}'),
      },
      {
        ...graph('Authentication failures by reason', 'reqps', 8),
        queries: one(
          `${rateOf('valetkey_authentication_failures_total', 'reason')} > 0`,
          '{{reason}}',
        ),
      },
      {
        ...graph('Proofs by result', 'reqps', 24),
        queries: one(`${rateOf('valetkey_proofs_total', 'result')} > 0`, '{{result}}'),
        description: 'Experimental. Each result but signed is a refusal.',
      },
    ],
  },
  {
    title: 'Mints and refusals',
    height: 8,
    panels: [
      {
        ...graph('Mints by grant and outcome', 'reqps', 8),
        queries: one(rateOf('valetkey_mints_total', 'grant, outcome'), '{{grant}} {{outcome}}'),
      },
      {
        ...graph('Mints: latency by grant', 's', 8),
        queries: latencies('valetkey_mint_duration_seconds', 'grant'),
      },
      {
        ...graph('Refusals by reason', 'reqps', 8),
        queries: one(`${rateOf('valetkey_refusals_total', 'reason')} > 0`, '{{reason}}'),
      },
      {
        ...table('Refused or not connected now', 'none', 12),
        queries: one(
          ['valetkey_integration_refused', 'valetkey_connection_lost']
            .map((metric) => `max by (${OWNER}) (${metric}{${OF_INTEGRATION}}) == 1`)
            .join(' or '),
        ),
      },
      {
        ...graph('Waits for a mint of another replica', 's', 6),
        queries: latencies('valetkey_lock_wait_seconds'),
      },
      {
        ...graph('Left alone for a while', 'none', 6),
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
        queries: one(`max by (state) (valetkey_leases{${FLEET}})`, '{{state}}'),
        description: 'In the memory of the replica that has most of them.',
      },
      {
        ...graph('Least time left', 's', 6),
        queries: one(
          `bottomk(10, max by (integration) (valetkey_lease_expires_in_seconds{${OF_INTEGRATION}}))`,
          '{{integration}}',
        ),
      },
      {
        ...graph('Refresh-ahead by outcome', 'reqps', 4),
        queries: one(rateOf('valetkey_refresh_ahead_total', 'outcome'), '{{outcome}}'),
      },
      {
        ...graph('Refresh-ahead: lateness', 's', 4),
        queries: latencies('valetkey_refresh_ahead_lateness_seconds'),
      },
      {
        ...graph('Refresh-ahead: overdue', 's', 4),
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
        queries: one(
          `sort(min by (${OWNER}) (valetkey_certificate_expires_in_seconds{${OF_INTEGRATION}}) / 86400)`,
        ),
        steps: CERTIFICATE_DAYS,
      },
      {
        ...graph('Login budget spent', 'percentunit', 7),
        queries: one(
          `topk(10, max by (integration) (valetkey_logins_last_hour{${OF_INTEGRATION}} / valetkey_logins_per_hour_limit{${OF_INTEGRATION}}))`,
          '{{integration}}',
        ),
        steps: [0.6, 0.8],
      },
      {
        ...graph('Login budget of the Salesforce user spent', 'percentunit', 7),
        queries: one(
          `topk(10, max by (integration) (valetkey_user_logins_last_hour{${OF_INTEGRATION}} / 3000))`,
          '{{integration}}',
        ),
        steps: [0.6, 0.8],
        description: 'All integrations of one Salesforce user have 3,000 logins an hour together.',
      },
    ],
  },
  {
    title: 'Store',
    height: 8,
    panels: [
      {
        ...graph('Checks of /readyz', 'none', 6),
        queries: one(`min by (check) (valetkey_readiness_check_ok{${FLEET}})`, '{{check}}'),
      },
      {
        ...graph('Commands', 'ops', 6),
        queries: one(
          rateOf('valetkey_store_operation_duration_seconds_count', 'operation'),
          '{{operation}}',
        ),
        stacked: true,
      },
      {
        ...graph('Commands: latency', 's', 6),
        queries: one(
          quantile(0.99, 'valetkey_store_operation_duration_seconds', 'operation'),
          'p99 {{operation}}',
        ),
      },
      {
        ...graph('Commands that failed', 'ops', 6),
        queries: one(rateOf('valetkey_store_errors_total', 'operation'), '{{operation}}'),
      },
    ],
  },
  {
    title: 'Replicas',
    height: 7,
    panels: [
      {
        ...graph('Processor', 'percentunit', 5),
        queries: one(`rate(process_cpu_seconds_total{${FLEET}}[$__rate_interval])`, '{{instance}}'),
      },
      {
        ...graph('Memory', 'bytes', 5),
        queries: one(`process_resident_memory_bytes{${FLEET}}`, '{{instance}}'),
      },
      {
        ...graph('Event loop: p99 lag', 's', 5),
        queries: one(`nodejs_eventloop_lag_p99_seconds{${FLEET}}`, '{{instance}}'),
      },
      {
        ...graph('Audit: waiting to be written', 'bytes', 5),
        queries: one(`valetkey_audit_waiting_bytes{${FLEET}}`, '{{instance}}'),
      },
      {
        ...graph('Lost', 'ops', 4),
        queries: [
          {
            expr: `sum(rate(valetkey_log_lines_dropped_total{${FLEET}}[$__rate_interval]))`,
            legend: 'log lines',
          },
          {
            expr: `sum(rate(valetkey_spans_lost_total{${FLEET}}[$__rate_interval]))`,
            legend: 'spans',
          },
        ],
      },
    ],
  },
]

function stat(title: string, unit: string, expr: string, steps?: Panel['steps']): Panel {
  return { title, type: 'stat', unit, width: 4, queries: one(expr), ...(steps && { steps }) }
}

function graph(title: string, unit: string, width: number): Omit<Panel, 'queries'> {
  return { title, type: 'timeseries', unit, width }
}

function table(title: string, unit: string, width: number): Omit<Panel, 'queries'> {
  return { title, type: 'table', unit, width }
}
