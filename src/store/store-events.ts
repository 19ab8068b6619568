/** Events of the store in this process. */
import type { CorruptRecord } from './integrity/corrupt-records.ts'
import type { Change } from './store.ts'

export interface StoreEvents {
  /** From the change stream: this replica or another one changed something. */
  'store.changed': Change
  /** Changes may have been missed: what is in memory is checked again before it is trusted. */
  'store.gap': undefined
  /** The change stream is read, for the first time or again. */
  'store.heard': undefined
  /** This replica found that the store went back in time. */
  'store.rewound': undefined
  /** This replica changed an outcome. It is told before whoever asked for the change is. */
  'outcome.changed': Change
  /** A record was read that may not be used. */
  'record.corrupt': CorruptRecord
}
