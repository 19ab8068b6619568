/** Replicas whose machines have the wrong time, and one whose time is set while it runs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Fleet } from '../../test/support/fleet.ts'
import { createAsker, type Seen, startLoad } from '../../test/support/load.ts'
import { newSigningKey } from '../../test/support/signing-key.ts'

export const WRONG_MS = 300_000

/** Arguments of node for a process whose clock is wrong by so much; SIGUSR2 sets it forward by five minutes. */
export function clockArgs(wrongMs: number): readonly string[] {
  const module = `
    const Real = Date
    let wrongMs = ${wrongMs}
    globalThis.Date = class extends Real {
      constructor(...parts) { parts.length > 0 ? super(...parts) : super(Real.now() + wrongMs) }
      static now() { return Real.now() + wrongMs }
    }
    process.on('SIGUSR2', () => { wrongMs += ${WRONG_MS} })`
  return ['--import', `data:text/javascript,${encodeURIComponent(module)}`]
}

export interface WrongClocksOptions {
  readonly durationMs: number
  readonly perSecond: number
}

export interface WrongClocks {
  readonly requests: number
  readonly errors: readonly Seen[]
  readonly expired: readonly Seen[]
  readonly mints: number
  readonly refused: number
}

/** The fleet has short lives (see `SHORT_LIVES`), and its clocks are wrong already; in the middle, the second replica's is set forward. */
export async function wrongClocks(fleet: Fleet, options: WrongClocksOptions): Promise<WrongClocks> {
  const { durationMs, perSecond } = options
  const { simulator, key } = fleet
  const names = ['secret', 'assertion']
  await fleet.integrate('secret')
  const signer = await newSigningKey()
  const app = simulator.addJwtApp({ certificatePem: signer.certificate })
  await fleet.integrate('assertion', {
    app,
    members: {
      grant: { type: 'jwt_bearer', client_id: app.clientId, username: app.username },
      credential: { private_key: signer.privateKey, certificate: signer.certificate },
    },
  })
  const asker = createAsker({ key })
  // Each replica mints once, so that each signs by its own clock.
  for (const { url, call } of fleet.replicas) {
    for (const name of names) {
      await asker.ask([url], name)
      await call('DELETE', `/tokens/${name}`)
    }
  }
  for (const name of names) await asker.ask(fleet.urls(), name)
  await asker.close()
  const before = simulator.tokenRequests().length
  const load = startLoad({
    ...{ names, perSecond, key, urls: fleet.urls },
    judge: (token) => simulator.sessions().some((session) => session.token === token),
  })
  await sleep(durationMs / 2)
  fleet.replica(1).signal('SIGUSR2')
  await sleep(durationMs / 2)
  const seen = await load.stop()
  const requests = simulator.tokenRequests().slice(before)
  return {
    requests: seen.length,
    errors: seen.filter(({ status }) => status !== 200),
    expired: seen.filter(({ isAlive, expiresAt, start }) => !isAlive || expiresAt <= start),
    mints: requests.length,
    refused: requests.filter(({ outcome }) => outcome?.error).length,
  }
}
