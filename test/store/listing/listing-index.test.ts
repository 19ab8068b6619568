import { listingSuite } from '../../contracts/store/listing.ts'
import { eachEngine } from '../../support/store-engines.ts'

eachEngine(listingSuite)
