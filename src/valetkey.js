#!/usr/bin/env node
import { existsSync } from 'node:fs'
import module from 'node:module'

// The entry point is JavaScript so that a Node that cannot run TypeScript can still say so.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  process.stderr.write(
    `valetkey needs Node 24 or later, and this is ${process.versions.node}: get it from https://nodejs.org, or use the npm scripts, which bring their own.\n`,
  )
  process.exit(78)
}
const args = process.argv.slice(2)
/**
 * By default, new objects take up to 128 MB, and the buffers of each thread stay with it. Only the
 * command line and the environment at the start say less. The image gives both limits there. Any other
 * start of the service replaces itself by one that has them, in the same process.
 */
const ARENAS = { MALLOC_ARENA_MAX: '2' }
const YOUNG_LIMIT = '--max-semi-space-size=8'
const isLimited = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) =>
  /max[-_]semi[-_]space[-_]size/.test(text),
)
const isService = args.length === 0 || args[0] === 'serve'
// A channel to a parent process would not outlive the replacement.
if (isService && !isLimited && process.execve && !process.channel) {
  const command = [process.argv0, YOUNG_LIMIT, ...process.execArgv, ...process.argv.slice(1)]
  process.execve(process.execPath, command, { ...ARENAS, ...process.env })
}
// The second start of the same release does not compile again.
module.enableCompileCache?.()
// A checkout runs its sources, so that no change waits for a build. The image and the package have only bundles.
const isCheckout = existsSync(new URL('./process/main.ts', import.meta.url))
const dist = new URL('../dist/', import.meta.url)
const loadService = async () => {
  if (isCheckout) return import('./process/local.ts')
  const { loadBundle } = await import(new URL('start.js', dist).href)
  return loadBundle(dist)
}
if (isService && args.length <= 1) {
  // The service starts without the parser of the command line.
  const { startService } = await loadService()
  await startService(process.env)
} else {
  const { main } = await import(
    isCheckout ? './process/main.ts' : new URL('command/main.js', dist).href
  )
  await main(args, loadService)
}
