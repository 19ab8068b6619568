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
// The second start of the same release does not compile again.
module.enableCompileCache?.()
const args = process.argv.slice(2)
// A checkout runs its sources, so that no change waits for a build. The image and the package have only the bundle.
if (existsSync(new URL('./process/main.ts', import.meta.url))) {
  const { main } = await import('./process/main.ts')
  await main(args)
} else {
  const dist = new URL('../dist/', import.meta.url)
  const { loadBundle } = await import(new URL('start.js', dist).href)
  await loadBundle(dist).main(args)
}
