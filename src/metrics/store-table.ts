/** The rows of the table of metrics that are about the store. */

import { PROVEN_KINDS } from '../store/document-kinds.ts'
import { CORRUPTIONS } from '../store/integrity/corrupt-records.ts'
import { CUSTODY, INTEGRATION, REFUSAL } from '../store/integrity/record-mac.ts'
import { MEASURED_OPERATIONS, STORE_OPERATIONS } from '../store/measured.ts'
import { CAUSE_NAMES } from '../store/redis-connection/cause.ts'
import type { MetricTable } from './registry.ts'

/** In seconds. */
const STORE = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1] as const

export const STORE_METRICS = {
  valetkey_store_operation_duration_seconds: {
    type: 'histogram',
    help: 'Of operations of the store, those that failed too.',
    labels: { operation: { values: MEASURED_OPERATIONS } },
    buckets: STORE,
  },
  valetkey_corrupt_records: {
    type: 'gauge',
    help: 'Records that this replica met, that do not verify, and that it does not use; the log names them.',
  },
  valetkey_corrupt_records_total: {
    type: 'counter',
    help: 'Records that were met and do not verify, each once until it is well again.',
    labels: {
      kind: { values: [INTEGRATION, REFUSAL, CUSTODY, ...PROVEN_KINDS] },
      reason: { values: Object.keys(CORRUPTIONS) },
    },
  },
  valetkey_store_errors_total: {
    type: 'counter',
    help: 'Operations of the store that failed.',
    labels: { operation: { values: STORE_OPERATIONS } },
  },
  valetkey_redis_troubles_total: {
    type: 'counter',
    help: 'Troubles of this replica with a server of Redis, by cause (`docs/redis.md`): each attempt to connect and each command that failed.',
    labels: { cause: { values: CAUSE_NAMES } },
  },
} as const satisfies MetricTable
