/** A broker process on the embedded store that is killed in the middle of something: another one carries on with what it left. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Simulator } from '../../simulator/handle.ts'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { newAdminKey, startBrokerProcess } from './broker.ts'
import type { Call } from './caller.ts'

export interface Restartable {
  /** Of the process that runs now. */
  readonly call: Call
  kill(): Promise<void>
  /** Another process, on the same folder and with the same keys. */
  restart(): Promise<void>
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** Ends with the test. */
export async function startRestartable(t: Teardown, simulator: Simulator): Promise<Restartable> {
  const dataDir = await mkdtemp(join(tmpdir(), 'valetkey-killed-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  const adminKey = newAdminKey()
  const env = {
    VALETKEY_DATA_DIR: dataDir,
    VALETKEY_KEYRING: generateKeyring(Date.now()).reveal(),
    VALETKEY_LOGIN_HOSTS: simulator.origins.myDomain,
  }
  const start = () => startBrokerProcess(t, { env, adminKey })
  let broker = await start()
  return {
    call: (...of) => broker.call(...of),
    async kill() {
      await broker.kill('SIGKILL')
    },
    async restart() {
      broker = await start()
    },
  }
}
