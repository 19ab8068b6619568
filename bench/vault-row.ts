/** What `npm run bench -- faults` shows of a vault that wraps the keys of the keyring, and is away. */
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { newVault, writeSigners } from '../test/keyring/wrapping-world.ts'
import { spawnValetkey } from '../test/support/broker.ts'
import { createCaller } from '../test/support/caller.ts'
import { eventually } from '../test/support/eventually.ts'
import { startFaultProxy } from '../test/support/fault-proxy.ts'
import { startFleet } from '../test/support/fleet.ts'
import { startLoad } from '../test/support/load.ts'
import { OPENBAO } from '../test/support/openbao.ts'
import { freePort } from '../test/support/redis.ts'
import { provideWheelProgram } from '../test/support/wheel-programs.ts'
import { type Result, type Row, shareOk, type Teardown } from './fault-row.ts'

const AWAY_MS = 15_000
const LIFETIME_SECONDS = 3
const PER_SECOND = 100

async function outage(t: Teardown): Promise<Result> {
  const provided = await provideWheelProgram(OPENBAO, (line) => console.error(line))
  if (!provided.ok) throw new Error(provided.why)
  const bao = await newVault(t)
  const proxy = await startFaultProxy(Number(new URL(bao.url).port))
  t.teardown(() => proxy.close())
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-vault-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const tokenFile = join(folder, 'token')
  const signersFile = join(folder, 'signers.yaml')
  await writeFile(tokenFile, await bao.tokenOf('keyring'))
  const address = `http://127.0.0.1:${new URL(proxy.url).port}`
  await writeSigners(signersFile, { address, tokenFile })
  const env = { VALETKEY_KEYRING: 'vault-transit:main', VALETKEY_SIGNERS: signersFile }
  const settings = { expiresIn: LIFETIME_SECONDS }
  const fleet = await startFleet(t, { replicas: 2, env, settings })
  const app = await fleet.integrate('billing')
  await fleet.call('GET', '/tokens/billing')

  const load = startLoad({
    ...{ urls: fleet.urls, names: ['billing'], perSecond: PER_SECOND, key: fleet.key },
  })
  proxy.set('stall')
  const awayAt = Date.now()
  const minted = fleet.mints(app)
  const port = await freePort()
  const child = spawnValetkey(['serve'], {
    ...{ ...env, VALETKEY_METRICS_PORT: '0', VALETKEY_PORT: String(port) },
    VALETKEY_ADMIN_KEY: fleet.key,
    VALETKEY_LOGIN_HOSTS: fleet.simulator.origins.myDomain,
    VALETKEY_REDIS_URL: fleet.redis.url,
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
  })
  const call = createCaller(`http://127.0.0.1:${port}`, fleet.key)
  // Nobody listens yet.
  const readyz = () => call('GET', '/readyz').catch(() => ({ status: 0, body: {} }))
  const waiting = await eventually(async () => {
    const { status, body } = await readyz()
    const check = body.checks?.find(({ name }: { name: string }) => name === 'keyring')
    return check?.ok === false ? { status, detail: String(check.detail) } : undefined
  })
  await fleet.integrate('meanwhile')
  await sleep(awayAt + AWAY_MS - Date.now())
  const mints = fleet.mints(app) - minted
  proxy.set('pass')
  const backAt = Date.now()
  await eventually(async () => (await readyz()).status === 200)
  const readyAfterMs = Date.now() - backAt
  const kept = await Promise.all(
    ['billing', 'meanwhile'].map((name) => call('GET', `/tokens/${name}`)),
  )
  const seen = await load.stop()
  const errors = seen.length - shareOk(seen)
  const lost = kept.filter(({ status }) => status !== 200).length
  return {
    shown: `${errors} errors of ${seen.length}, ${mints} mints meanwhile; the third: ${waiting.status}, “${waiting.detail}”, ready ${readyAfterMs} ms after its return; ${lost} records lost`,
    holds: errors + lost === 0 && mints >= 4 && waiting.status === 503 && readyAfterMs <= 5_000,
  }
}

export const VAULT: Row = {
  what: `the vault with the keyring does not answer for ${AWAY_MS / 1_000} s, leases of ${LIFETIME_SECONDS} s, ${PER_SECOND} requests/s, 2 replicas; a third starts meanwhile`,
  must: '0 errors of those that run; the third is not ready, says why, and is ready within 5 s of its return; nothing is lost',
  run: outage,
}
