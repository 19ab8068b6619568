/** Metrics of the store. */

import { PROVEN_KINDS } from '../store/document-kinds.ts'
import { CORRUPTIONS } from '../store/integrity/corrupt-records.ts'
import { CUSTODY, INTEGRATION, REFUSAL } from '../store/integrity/record-mac.ts'
import { MEASURED_OPERATIONS, STORE_OPERATIONS } from '../store/measured.ts'
import { CAUSE_NAMES } from '../store/redis-connection/cause.ts'
import type { MetricTable } from './registry.ts'

/** Seconds. */
const STORE = [0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1] as const

export const STORE_METRICS = {
  valetkey_store_operation_duration_seconds: {
    type: 'histogram',
    help: 'Time of operations of the store, including failed ones.',
    labels: { operation: { values: MEASURED_OPERATIONS } },
    buckets: STORE,
  },
  valetkey_corrupt_records: {
    type: 'gauge',
    help: 'Records that do not verify, as met by this replica. It does not use them, and the log names them.',
  },
  valetkey_corrupt_records_total: {
    type: 'counter',
    help: 'Records that do not verify, each counted once until it verifies again.',
    labels: {
      kind: { values: [INTEGRATION, REFUSAL, CUSTODY, ...PROVEN_KINDS] },
      reason: { values: Object.keys(CORRUPTIONS) },
    },
  },
  valetkey_store_errors_total: {
    type: 'counter',
    help: 'Store operations that failed.',
    labels: { operation: { values: STORE_OPERATIONS } },
  },
  valetkey_redis_troubles_total: {
    type: 'counter',
    help: 'Problems of this replica with a Redis server, by cause (`docs/redis.md`): each failed attempt to connect and each failed command.',
    labels: { cause: { values: CAUSE_NAMES } },
  },
} as const satisfies MetricTable
