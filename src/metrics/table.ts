/** All metrics: name, type, help and labels. `docs/metrics.md` is generated from this table. */
import { AUTHENTICATION_FAILURES } from '../callers/authentication/authenticator.ts'
import { CONNECTION_FLOWS, CONNECTION_STATUSES } from '../connections/connection.ts'
import { LOST_REASONS } from '../custody/connection.ts'
import { PROBLEMS } from '../errors/problems.ts'
import { GRANTS } from '../grants/index.ts'
import { REFUSALS } from '../grants/refusals/refusal-table.ts'
import { INTEGRATION_METRICS, INTEGRATIONS, OF_INTEGRATION } from './integration-table.ts'
import { PROOF_METRICS } from './proof-table.ts'
import type { MetricTable } from './registry.ts'
import { SIGNER_METRICS } from './signer-table.ts'
import { STORE_METRICS } from './store-table.ts'
import { USAGE_METRICS } from './usage-table.ts'

/** Results of a token request. */
export const READ_RESULTS = [
  /** Served from memory. */
  'hit',
  /** This request minted. */
  'miss',
  /** Waited for the mint of another request. */
  'collapsed',
  /** Served while the store was unavailable. */
  'storeless',
  /** Salesforce refused, or its token may not be served. */
  'refused',
  /** The login budget is exhausted. */
  'limited',
  /** Salesforce or the store is unavailable. */
  'unavailable',
  /** The caller lacks the permission, or the integration is missing, disabled or a draft. */
  'denied',
  'failed',
] as const

export type ReadResult = (typeof READ_RESULTS)[number]

/** Results of a login at Salesforce. */
const MINT_OUTCOMES = ['granted', 'refused', 'unavailable', 'invalid', 'failed'] as const

export type MintOutcome = (typeof MINT_OUTCOMES)[number]

/** `due`: valid, but its refresh is due. `ended`: kept after its end. */
export const LEASE_STATES = ['usable', 'due', 'ended'] as const

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const
const STATUS_CLASSES = ['1xx', '2xx', '3xx', '4xx', '5xx'] as const

const ROUTES = 500

const GRANT = { values: GRANTS.map(({ type }) => type) }
const METHOD = { values: METHODS }
const ROUTE = { text: 'The pattern of the route; `unmatched` if there is none' }
const RESULT = { values: READ_RESULTS }
/** Seconds. */
const MEMORY_TO_DEADLINE = [
  0.000_1, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const
const NETWORK = [0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4, 6, 10] as const
const LATENESS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60] as const

export const METRICS = {
  valetkey_build_info: {
    type: 'gauge',
    help: 'Always 1. Its labels are the version and the store.',
    labels: {
      version: { text: 'Of this service' },
      store: { values: ['redis', 'embedded'] },
    },
    atMost: 1,
  },
  valetkey_ready: { type: 'gauge', help: 'Whether /readyz answers 200: 1 or 0.' },
  valetkey_readiness_check_ok: {
    type: 'gauge',
    help: 'Each check of /readyz: 1 or 0. Only the first three affect readiness.',
    labels: { check: { text: 'The name of the check in /readyz' } },
    atMost: 100,
  },
  valetkey_http_requests_total: {
    type: 'counter',
    help: 'Answered requests.',
    labels: { route: ROUTE, method: METHOD, status: { values: STATUS_CLASSES } },
    atMost: ROUTES,
  },
  valetkey_http_request_duration_seconds: {
    type: 'histogram',
    help: 'Time from the request line to the end of the answer.',
    labels: { route: ROUTE, method: METHOD },
    buckets: MEMORY_TO_DEADLINE,
    atMost: ROUTES,
  },
  valetkey_problems_total: {
    type: 'counter',
    help: 'Requests answered with a problem.',
    labels: { code: { values: Object.keys(PROBLEMS) } },
  },
  valetkey_authentication_failures_total: {
    type: 'counter',
    help: 'Requests without a valid credential, by the reason in the log.',
    labels: { reason: { values: AUTHENTICATION_FAILURES } },
  },
  valetkey_token_reads_total: {
    type: 'counter',
    help: 'Requests for a token, by result.',
    labels: { result: RESULT },
  },
  valetkey_token_read_duration_seconds: {
    type: 'histogram',
    help: 'Time to find or mint the token, without authentication and HTTP.',
    labels: { result: RESULT },
    buckets: MEMORY_TO_DEADLINE,
  },
  ...PROOF_METRICS,
  valetkey_mints_total: {
    type: 'counter',
    help: 'Logins at Salesforce. Each is one request with one credential.',
    labels: { grant: GRANT, outcome: { values: MINT_OUTCOMES } },
  },
  valetkey_mint_duration_seconds: {
    type: 'histogram',
    help: 'Time of one login, including the requests that find out how long the token lives.',
    labels: { grant: GRANT },
    buckets: NETWORK,
  },
  valetkey_refusals_total: {
    type: 'counter',
    help: 'Logins that Salesforce refused, by reason.',
    labels: { reason: { values: Object.keys(REFUSALS) } },
  },
  valetkey_connections_lost_total: {
    type: 'counter',
    help: 'Refresh tokens that stopped working, as found by this replica. Somebody must connect the integration again.',
    labels: { reason: { values: Object.keys(LOST_REASONS) } },
  },
  valetkey_connections_total: {
    type: 'counter',
    help: 'Connections that ended, by status. A link that nobody used is not counted.',
    labels: {
      flow: { values: CONNECTION_FLOWS },
      status: { values: Object.keys(CONNECTION_STATUSES).filter((status) => status !== 'pending') },
    },
  },
  valetkey_freezes: {
    type: 'gauge',
    help: 'Freezes in force, as this replica knows them.',
  },
  ...USAGE_METRICS,
  valetkey_callbacks_refused_total: {
    type: 'counter',
    help: 'Callbacks of browsers with a state that is unknown, was used before, or is too old.',
  },
  valetkey_login_hosts_resting: {
    type: 'gauge',
    help: 'Login hosts to which no connection succeeds. They get single logins only, until one succeeds.',
  },
  valetkey_login_clients_resting: {
    type: 'gauge',
    help: 'Integrations for which their login host fails although it can be reached. They get single logins only, until one succeeds.',
  },
  valetkey_work_left_behind_total: {
    type: 'counter',
    help: 'Work that continued after its deadline although it was aborted: calls to Salesforce, issuers and webhooks, mints, checks of the doctor. Nothing waits for it.',
  },
  valetkey_work_left_behind: {
    type: 'gauge',
    help: 'The part of that work that has not ended yet.',
  },
  valetkey_leases: {
    type: 'gauge',
    help: 'Leases in the memory of this replica.',
    labels: { state: { values: LEASE_STATES } },
  },
  valetkey_refusals_resting: {
    type: 'gauge',
    help: 'Integrations in the memory of this replica that currently answer with a remembered refusal.',
  },
  valetkey_lease_expires_in_seconds: {
    type: 'gauge',
    help: 'Time until the lease in the memory of this replica ends; negative after its end.',
    labels: OF_INTEGRATION,
    atMost: INTEGRATIONS,
  },
  valetkey_refresh_ahead_total: {
    type: 'counter',
    help: 'Attempts of this replica to refresh a lease before its end.',
    labels: { outcome: { values: ['replaced', 'failed'] } },
  },
  valetkey_refresh_ahead_lateness_seconds: {
    type: 'histogram',
    help: 'How late a lease was replaced, after the point of its refresh.',
    buckets: LATENESS,
  },
  valetkey_refresh_ahead_overdue_seconds: {
    type: 'gauge',
    help: 'Time since the point of its refresh, of a lease that this replica handed out; 0 before that point.',
    labels: OF_INTEGRATION,
    atMost: INTEGRATIONS,
  },
  valetkey_lock_wait_seconds: {
    type: 'histogram',
    help: 'Waits for the mint of another replica: until a change arrives, or until this replica reads again.',
    buckets: NETWORK,
  },
  ...STORE_METRICS,
  ...INTEGRATION_METRICS,
  valetkey_integrations_sample_age_seconds: {
    type: 'gauge',
    help: 'Time since the eight metrics above were read from the store. Absent before the first read.',
  },
  valetkey_declared_integrations_wrong: {
    type: 'gauge',
    help: 'Integrations of the configuration file that are disabled because of a mistake.',
  },
  valetkey_config_file_refused: {
    type: 'gauge',
    help: 'Whether the configuration file has a mistake, and the former one stays in force: 1 or 0.',
  },
  valetkey_audit_blocked: {
    type: 'gauge',
    help: 'Whether audit lines cannot be written, so that tokens and changes are refused: 1 or 0.',
  },
  valetkey_audit_lines_total: { type: 'counter', help: 'Written audit lines.' },
  valetkey_audit_waiting_bytes: {
    type: 'gauge',
    help: 'Audit lines that wait to be written.',
  },
  ...SIGNER_METRICS,
  valetkey_webhook_attempts_total: {
    type: 'counter',
    help: 'Attempts of this replica to deliver a webhook.',
    labels: { outcome: { values: ['delivered', 'failed'] } },
  },
  valetkey_webhooks_lost_total: {
    type: 'counter',
    help: 'Lost webhooks: a day was over, too many waited, one could not be created, or the process stopped before the store accepted it.',
    labels: { reason: { values: ['expired', 'full', 'failed', 'stopped'] } },
  },
  valetkey_webhooks_waiting: {
    type: 'gauge',
    help: 'Undelivered webhooks of the whole fleet, at the last check.',
  },
  valetkey_log_lines_dropped_total: {
    type: 'counter',
    help: 'Log lines that were dropped, because they could not be written in time.',
  },
  valetkey_spans_lost_total: {
    type: 'counter',
    help: 'Spans of traces that could not be sent.',
  },
  valetkey_metric_series_left_out: {
    type: 'gauge',
    help: 'Series that this scrape omits, because the metric has its maximum number.',
    labels: { metric: { text: 'Its name' } },
    atMost: 20,
  },
} as const satisfies MetricTable
