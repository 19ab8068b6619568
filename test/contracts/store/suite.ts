/** What every engine of the store must do, in every topology that it is run in. */
import type { StoreSuite } from '../../support/store-engines.ts'
import { archiveSuite } from './archive.ts'
import { changesSuite } from './changes.ts'
import { coordinationSuite } from './coordination.ts'
import { custodySuite } from './custody.ts'
import { custodyAgeSuite } from './custody-age.ts'
import { documentsSuite } from './documents.ts'
import { integrationsSuite } from './integrations.ts'
import { listingSuite } from './listing.ts'
import { macsSuite } from './macs.ts'
import { outcomesSuite } from './outcomes.ts'
import { sealsSuite } from './seals.ts'

export const storeSuite: StoreSuite = async (t, open) => {
  await integrationsSuite(t, open)
  await outcomesSuite(t, open)
  await coordinationSuite(t, open)
  await custodySuite(t, open)
  await custodyAgeSuite(t, open)
  await documentsSuite(t, open)
  await changesSuite(t, open)
  await sealsSuite(t, open)
  await archiveSuite(t, open)
  await listingSuite(t, open)
  await macsSuite(t, open)
}
