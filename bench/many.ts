/** Many integrations, each of an app of its own, so that each has a token of its own. */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AppSeed } from '../simulator/handle.ts'
import { newSigningKey } from '../test/support/signing-key.ts'
import type { BareApps } from './peers/bare-mint.ts'
import type { MeasuredBroker, Setting } from './setting.ts'

export interface Many {
  readonly names: readonly string[]
  /** How many tokens Salesforce was asked for so far. */
  mints(): number
}

export interface ManyOptions {
  readonly prefix: string
  readonly count: number
  readonly grant: 'jwt_bearer' | 'client_credentials'
}

/** Salesforce bounds the logins of a user, and so does the broker. */
export const USERS = 20
/** How many are under way at once. */
export const LANES = 16

export async function prepareMany(
  { simulator }: Setting,
  broker: Pick<MeasuredBroker, 'process'>,
  { prefix, count, grant }: ManyOptions,
): Promise<Many> {
  const { privateKey, certificate } = await newSigningKey()
  const users = Array.from({ length: USERS }, (_, index) => `${prefix}${index}@acme.com`)
  for (const username of users) simulator.addUser({ username, orgId: simulator.acme.id })

  const definitionOf = (name: string, username: string) => {
    if (grant === 'client_credentials') {
      const app = simulator.addClientCredentialsApp({ name, username })
      return {
        grant: { type: grant, client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
      }
    }
    const app: AppSeed = simulator.addJwtApp({ name, username, certificatePem: certificate })
    return {
      grant: { type: grant, client_id: app.clientId, username, audience: app.audience },
      credential: { private_key: privateKey, certificate },
    }
  }

  const put = async (name: string, index: number) => {
    const { status, body } = await broker.process.call('PUT', `/integrations/${name}`, {
      body: {
        login_url: simulator.origins.myDomain,
        ...definitionOf(name, users[index % USERS] ?? ''),
      },
    })
    if (status !== 201) throw new Error(`PUT ${name}: ${JSON.stringify(body)}`)
  }
  const names = Array.from({ length: count }, (_, index) => nameOf(prefix, index))
  await eachOf(names, put)
  return { names, mints: () => simulator.counters().requests.token ?? 0 }
}

/** As many apps for whoever mints by itself. Gives the file that holds them. */
export async function prepareBareApps(
  { simulator, folder }: Setting,
  { prefix, count, grant }: ManyOptions,
): Promise<{ readonly file: string; readonly names: readonly string[] }> {
  const { privateKey, certificate } = await newSigningKey()
  const username = `${prefix}@acme.com`
  simulator.addUser({ username, orgId: simulator.acme.id })
  const names = Array.from({ length: count }, (_, index) => nameOf(prefix, index))
  const byName = Object.fromEntries(
    names.map((name) => {
      if (grant === 'jwt_bearer') {
        const app = simulator.addJwtApp({ name, username, certificatePem: certificate })
        return [name, { clientId: app.clientId, username, audience: app.audience }]
      }
      const app = simulator.addClientCredentialsApp({ name, username })
      const { clientId, clientSecret, audience } = app
      return [name, { clientId, clientSecret, username, audience }]
    }),
  )
  const file = join(folder, `${prefix}.json`)
  await writeFile(file, JSON.stringify({ privateKey, byName } satisfies BareApps))
  return { file, names }
}

/** In order, whatever their number. */
export const nameOf = (prefix: string, index: number): string =>
  `${prefix}${String(index).padStart(6, '0')}`

/** In lanes: each takes the next name when it is done with one. */
export async function eachOf(
  names: readonly string[],
  work: (name: string, index: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const lane = async () => {
    while (next < names.length) {
      const index = next
      next += 1
      await work(names[index] ?? '', index)
    }
  }
  await Promise.all(Array.from({ length: LANES }, lane))
}
