/** Metrics of what callers do that somebody should look at. */
import { UNUSUAL_ACTIONS } from '../usage/unusual.ts'
import type { MetricTable } from './registry.ts'

export const USAGE_METRICS = {
  valetkey_login_loops_total: {
    type: 'counter',
    help: 'Clients refused at a door because they logged in again and again with a token that is alive.',
  },
  valetkey_unusual_total: {
    type: 'counter',
    help: 'What was unusual about a watched integration, by the action in the audit. One replica counts each.',
    labels: { action: { values: UNUSUAL_ACTIONS } },
  },
} as const satisfies MetricTable
