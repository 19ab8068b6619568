/** A Python that has requests-oauthlib: the one that is there, else installed where that may be. */
import { spawnSync } from 'node:child_process'

const PACKAGE = 'python3-requests-oauthlib'
export const INSTALL = `apt-get update && apt-get install --yes --no-install-recommends ${PACKAGE}`
/** Debian's own one first: its packages are for no other. */
const PYTHONS = ['/usr/bin/python3', 'python3']

const runs = (command: string, args: readonly string[]): boolean =>
  spawnSync(command, args, {
    stdio: 'ignore',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }).status === 0

const find = () => PYTHONS.find((python) => runs(python, ['-c', 'import requests_oauthlib']))

/** `undefined`: there is none, and none could be installed. */
export function pythonWithOauth(say: (text: string) => void): string | undefined {
  const found = find()
  if (found !== undefined) return found
  if (process.getuid?.() !== 0 || process.env.VALETKEY_TEST_NO_INSTALL === '1') return undefined
  if (!runs('apt-get', ['--version'])) return undefined
  say(`Installing ${PACKAGE} now (VALETKEY_TEST_NO_INSTALL=1 forbids it): ${INSTALL}`)
  const installed =
    runs('apt-get', ['update']) &&
    runs('apt-get', ['install', '--yes', '--no-install-recommends', PACKAGE])
  return installed ? find() : undefined
}
