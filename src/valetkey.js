#!/usr/bin/env node
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
await import('./process/main.ts')
