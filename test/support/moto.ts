/** Moto, a server that answers as AWS does, in an environment of Python of its own. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, type Provided, run } from './apt.ts'
import { endWithThisProcess } from './children.ts'
import { eventually } from './eventually.ts'
import { freePort } from './redis.ts'
import { CACHE } from './wheel-programs.ts'

const VERSION = '5.2.5'
const HOME = join(CACHE, `moto-${VERSION}`)
const COMMAND = join(HOME, 'bin/moto_server')
/** What its KMS needs. All that it could answer for would be 300 MB. */
const PACKAGES = [`moto==${VERSION}`, 'flask', 'flask-cors', 'cryptography']

/** Installed once for a machine. */
export function provideMoto(announce: (line: string) => void): Provided {
  if (existsSync(COMMAND)) return { ok: true, isNew: false }
  const byHand = `python3 -m venv ${HOME} && ${HOME}/bin/pip install ${PACKAGES.join(' ')}`
  if (!isOnPath('python3') || process.env.VALETKEY_TEST_NO_INSTALL === '1') {
    return { ok: false, why: `The tests need moto. Install it: ${byHand}` }
  }
  announce('The tests need moto. Installing it now with')
  announce(`  ${byHand}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  mkdirSync(CACHE, { recursive: true })
  const isInstalled =
    run('python3', ['-m', 'venv', HOME]) &&
    run(join(HOME, 'bin/pip'), ['install', '--quiet', ...PACKAGES])
  if (isInstalled && existsSync(COMMAND)) return { ok: true, isNew: true }
  rmSync(HOME, { recursive: true, force: true })
  return { ok: false, why: `Moto could not be installed; try it by hand: ${byHand}` }
}

interface Moto {
  readonly url: string
  stop(): Promise<void>
}

/** Ends with the test. */
export async function startMoto(t: { teardown(end: () => unknown): void }): Promise<Moto> {
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = endWithThisProcess(
    spawn(COMMAND, ['-H', '127.0.0.1', '-p', String(port)], {
      env: { PATH: process.env.PATH },
      stdio: 'ignore',
    }),
  )
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGKILL')
    await exited
  }
  t.teardown(stop)
  await eventually(() =>
    fetch(`${url}/moto-api/`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  return { url, stop }
}
