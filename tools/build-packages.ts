/**
 * Of the Dockerfile: leaves in `package.json` what runs and what builds, so that `npm install` adds a few
 * packages to those that are there, in the versions of the lock file. All that tests and checks need are ten times as many.
 */
import { readFileSync, writeFileSync } from 'node:fs'

/** What `tools/bundle.ts` runs, and the types that it compiles with. */
const BUILDERS: readonly string[] = ['@types/node', 'esbuild', 'typescript']

const FILE = 'package.json'
const { optionalDependencies: _, ...kept } = JSON.parse(readFileSync(FILE, 'utf8'))
const versions = Object.entries<string>(kept.devDependencies)
const devDependencies = Object.fromEntries(versions.filter(([name]) => BUILDERS.includes(name)))
writeFileSync(FILE, JSON.stringify({ ...kept, devDependencies }))
