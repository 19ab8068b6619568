/** What a test starts as `valetkey`: the bundle that users run, of which `npm test` makes one, or the sources. */
import { join } from 'node:path'
import { ROOT } from './project-root.ts'

/** Where `npm test` names the folder that has the bundle. A start of it takes a third of a start from the sources. */
export const BUNDLE_VARIABLE = 'TEST_BUNDLE'

const entryPointIn = (root: string): string => join(root, 'src/valetkey.js')

/** Of the sources, for what looks into them. */
export const SOURCE_ENTRY_POINT = entryPointIn(ROOT)

/** Of the bundle, and of the sources where there is none: a test file that is run by hand. */
export const ENTRY_POINT = entryPointIn(process.env[BUNDLE_VARIABLE] ?? ROOT)
