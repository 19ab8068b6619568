import t from 'tap'
import { openEmbedded } from '../support/store-engines.ts'
import { storeSuite } from './store/suite.ts'

await storeSuite(t, (test = t) => openEmbedded(test))
