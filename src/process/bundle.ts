/**
 * Loads the bundle that `npm run build` makes of this folder's `local.ts`: one script, and the code
 * that V8 compiled of it in an earlier process. Node's own compile cache has only the code of a
 * module's top level, so a start would compile each function again that it calls.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { Script } from 'node:vm'
import { setEngineFlags } from './engine-flags.ts'
import { showSourcePositions } from './source-positions.ts'

/** In the folder of the bundle. */
const SCRIPT = 'main.cjs'
const COMPILED = 'main.code'

type Local = Pick<typeof import('./local.ts'), 'startService' | 'LOCAL'>

interface Bundle extends Local {
  /** The functions that have run so far, for `main.code`. Another version or other flags of V8 cannot use it, and then compile as usual. */
  compiled(): Buffer
  /** Whether `main.code` is there and fits this process. */
  readonly isCompiled: boolean
}

/** `folder` ends with a slash. */
export function loadBundle(folder: URL): Bundle {
  setEngineFlags()
  const url = new URL(SCRIPT, folder)
  const path = fileURLToPath(url)
  showSourcePositions(folder, path)
  const code = new URL(COMPILED, folder)
  const cachedData = existsSync(code) ? readFileSync(code) : undefined
  // The file is the text of one function, so that no second copy of it is made.
  const source = readFileSync(url, 'utf8')
  const script = new Script(source, {
    filename: path,
    ...(cachedData && { cachedData }),
  })
  const module: { exports: Partial<Local> } = { exports: {} }
  script.runInThisContext()(module, createRequire(url), url.href)
  const { startService, LOCAL } = module.exports
  if (!startService || !LOCAL) throw new Error(`${path} exports no command`)
  return {
    startService,
    LOCAL,
    compiled: () => script.createCachedData(),
    isCompiled: cachedData !== undefined && script.cachedDataRejected === false,
  }
}
