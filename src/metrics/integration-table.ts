/** Metrics of single integrations. */
import { REFUSALS } from '../grants/refusals/refusal-table.ts'
import { STATES } from '../integrations/status.ts'
import { REFUSED_CODES } from './integration-samples.ts'
import type { LabelRows, MetricTable } from './registry.ts'

/** Most series of metrics with one series per integration. `valetkey_metric_series_left_out` counts the others. */
export const INTEGRATIONS = 1_000

export const OF_INTEGRATION = {
  integration: { text: 'Its name' },
  environment: { text: 'The label `environment` of the integration, or empty' },
  owner: { text: 'The label `owner` of the integration, or empty' },
} as const satisfies LabelRows

/** Also of those whose record is damaged. */
export const COUNTED_STATES = [...STATES, 'unusable'] as const

export const INTEGRATION_METRICS = {
  valetkey_integrations: {
    type: 'gauge',
    help: 'All integrations of the fleet, by state. Absent while the index of lists is being built, or cannot be read.',
    labels: { state: { values: COUNTED_STATES } },
  },
  valetkey_certificate_expires_in_seconds: {
    type: 'gauge',
    help: 'Time until the certificate of the active credential ends; negative after its end. For every integration.',
    labels: OF_INTEGRATION,
    atMost: INTEGRATIONS,
  },
  valetkey_integration_refused: {
    type: 'gauge',
    help: 'Whether the last login was refused, or its token withheld: 1 or 0. For integrations that this replica used.',
    labels: OF_INTEGRATION,
    atMost: INTEGRATIONS,
  },
  valetkey_integration_refusal: {
    type: 'gauge',
    help: 'Why it is refused, as `last_refusal.reason`, or the code of the problem: always 1. Absent for those that are not refused.',
    labels: {
      ...OF_INTEGRATION,
      reason: { values: [...Object.keys(REFUSALS), ...REFUSED_CODES] },
    },
    atMost: INTEGRATIONS,
  },
  valetkey_logins_last_hour: {
    type: 'gauge',
    help: 'Logins of the whole fleet within the last hour. For integrations that this replica used.',
    labels: OF_INTEGRATION,
    atMost: INTEGRATIONS,
  },
  valetkey_logins_per_hour_limit: {
    type: 'gauge',
    help: 'The setting logins_per_hour. For integrations that this replica used.',
    labels: OF_INTEGRATION,
    atMost: INTEGRATIONS,
  },
  valetkey_user_logins_last_hour: {
    type: 'gauge',
    help: 'Logins of the Salesforce user that it acts as, by all integrations together, within the last hour: 3,000 at most. For integrations that this replica used.',
    labels: OF_INTEGRATION,
    atMost: INTEGRATIONS,
  },
  valetkey_connection_lost: {
    type: 'gauge',
    help: 'Whether its refresh token stopped working, so that somebody must connect it again: 1 or 0. For integrations that have one and that this replica used.',
    labels: OF_INTEGRATION,
    atMost: INTEGRATIONS,
  },
} as const satisfies MetricTable
