/** What `npm run bench -- faults` shows of the audit that cannot be written. */
import { type AuditFault, auditedReads } from './cases/audited-reads.ts'
import type { Row } from './fault-row.ts'

const audited = (fault: AuditFault, what: string): Row => ({
  what: `100,000 token reads or more, as fast as it goes, and ${what} four times`,
  must: '0 tokens without an audit line; tokens again within 2 s',
  async run(t) {
    const result = await auditedReads(t, { fault, reads: 100_000, faults: 4 })
    const { answered, missing, refused, others, recoveredAfterMs, hasEnded } = result
    const slowest = Math.max(...recoveredAfterMs)
    return {
      shown: `${missing} of ${answered} without a line; ${refused} refused; again after ${Math.round(slowest)} ms at most`,
      holds: missing + others === 0 && slowest <= 2_000 && !hasEnded,
    }
  },
})

export const AUDIT: readonly Row[] = [
  audited('reader', 'the reader of its lines stands still'),
  audited('disk', 'the disk of its file is full'),
]
