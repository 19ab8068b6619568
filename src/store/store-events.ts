/** Events of the store in this process. */
import type { CorruptRecord } from './integrity/corrupt-records.ts'
import type { Pulse } from './records.ts'
import type { Change } from './store.ts'

export interface StoreEvents {
  /** This replica or another one changed something, according to the change stream. */
  'store.changed': Change
  /** Changes may be missing: values in memory must be checked again before they are trusted. */
  'store.gap': undefined
  /** The change stream is read, for the first time or again. */
  'store.heard': undefined
  /** This replica has heard all changes before this pulse. */
  'store.pulse': Pulse
  /** This replica found that the store went back in time. */
  'store.rewound': undefined
  /** This replica changed an outcome. Emitted before the caller gets the result. */
  'outcome.changed': Change
  /** An unusable record was read. */
  'record.corrupt': CorruptRecord
}
