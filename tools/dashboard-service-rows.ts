/** The rows of the dashboard about the store and the processes. */
import { type DashboardRow, FLEET, graph, one, quantile, rateOf } from './dashboard-panels.ts'

export const SERVICE_ROWS: readonly DashboardRow[] = [
  {
    title: 'Store',
    height: 8,
    panels: [
      {
        ...graph('Checks of /readyz', 'none', 6),
        description: '1 is well. `/readyz` says in words what is wrong.',
        runbook: 'ValetkeyReplicaNotReady',
        queries: one(`min by (check) (valetkey_readiness_check_ok{${FLEET}})`, '{{check}}'),
      },
      {
        ...graph('Commands', 'ops', 6),
        description: 'Commands to the store in a second. Reads of warm tokens make none.',
        runbook: 'ValetkeyStoreSlow',
        queries: one(
          rateOf('valetkey_store_operation_duration_seconds_count', 'operation'),
          '{{operation}}',
        ),
        stacked: true,
      },
      {
        ...graph('Commands: latency', 's', 6),
        description:
          'The slowest hundredth of the commands. Replicas serve from memory where the store is slow.',
        runbook: 'ValetkeyStoreSlow',
        queries: one(
          quantile(0.99, 'valetkey_store_operation_duration_seconds', 'operation'),
          'p99 {{operation}}',
        ),
      },
      {
        ...graph('Commands that failed', 'ops', 6),
        description:
          'Commands that got no answer, or an error. Callers of warm tokens notice nothing for a while.',
        runbook: 'ValetkeyStoreUnreachable',
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
        description:
          'Seconds of processor in a second. A replica uses one core at most for requests.',
        runbook: 'ValetkeyReplicaNotReady',
        queries: one(`rate(process_cpu_seconds_total{${FLEET}}[$__rate_interval])`, '{{instance}}'),
      },
      {
        ...graph('Memory', 'bytes', 5),
        description: 'Resident memory. It rises with the number of tokens in use, and then stays.',
        runbook: 'ValetkeyReplicaNotReady',
        queries: one(`process_resident_memory_bytes{${FLEET}}`, '{{instance}}'),
      },
      {
        ...graph('Event loop: p99 lag', 's', 5),
        description:
          'How long work waits for the processor. It delays every answer of the replica.',
        runbook: 'ValetkeyStoreSlow',
        queries: one(`nodejs_eventloop_lag_p99_seconds{${FLEET}}`, '{{instance}}'),
      },
      {
        ...graph('Audit: waiting to be written', 'bytes', 5),
        description:
          'Audit lines that were not written yet. While they cannot be written, nothing is handed out.',
        runbook: 'ValetkeyReplicaNotReady',
        queries: one(`valetkey_audit_waiting_bytes{${FLEET}}`, '{{instance}}'),
      },
      {
        ...graph('Lost', 'ops', 4),
        description:
          'Log lines and spans that could not be written or sent in time, and were dropped.',
        runbook: 'ValetkeyFiguresStale',
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
