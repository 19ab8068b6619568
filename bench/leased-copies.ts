/** Gives copies of an integration what mints leave in the store: a lease of their own, whose it is, and a login. */
import type { Keyring } from '../src/crypto/keyring.ts'
import { Secret } from '../src/crypto/secret.ts'
import { createEmbeddedStore } from '../src/store/embedded/embedded-store.ts'
import { macOf, ofDocument } from '../src/store/integrity/record-mac.ts'
import type { DocumentWrite } from '../src/store/records.ts'
import { createRedisStore } from '../src/store/redis/redis-store.ts'
import type { Store } from '../src/store/store.ts'
import { HOUR_MS, loginBudgetKey } from '../src/tokens/mint/login-budget.ts'
import type { BrokerOptions } from './setting.ts'

/** Saves that are under way at once. */
const AT_ONCE = 100

/** Opens the store of a broker that does not run. */
export function openStore({ redisUrl, env = {} }: BrokerOptions): Promise<Store> | Store {
  if (redisUrl === undefined) return createEmbeddedStore({ dataDir: env.VALETKEY_DATA_DIR ?? '' })
  return createRedisStore({
    ...{ connection: { url: new Secret(redisUrl) }, prefix: env.VALETKEY_REDIS_PREFIX ?? '' },
    onEvent: () => undefined,
  })
}

/** `original` has a lease; each copy has its own name as uid. */
export async function leaseCopies(
  store: Store,
  { macs, open, seal }: Pick<Keyring, 'macs' | 'open' | 'seal'>,
  original: string,
  copies: readonly string[],
): Promise<void> {
  const look = await store.outcomes.look(original)
  const lease = look?.outcome.lease
  if (!look || !lease) throw new Error(`${original} has no lease`)
  const opened = await open(`lease:${original}:${look.integration.uid}`, lease.body)
  const of = async (kind: string) => ({ kind, found: await store.documents.read(kind, original) })
  const documents = await Promise.all([of('subject'), of('identity')])

  const give = async (name: string) => {
    const tokenId = `of-${name}`
    const own = { ...JSON.parse(opened), integration: name, uid: name, tokenId }
    const body = await seal(`lease:${name}:${name}`, JSON.stringify(own))
    const written = documents.flatMap(({ kind, found }): readonly DocumentWrite[] => {
      if (!found) return []
      const document = { id: name, body: JSON.stringify({ ...JSON.parse(found.body), uid: name }) }
      const mac = macOf(macs, 'b', ofDocument(kind, { ...document, version: 1 }))
      return [{ ...document, kind, expected: 'absent', mac }]
    })
    const saved = await store.outcomes.save(
      name,
      { uid: name, orev: look.integration.orev },
      { lease: { ...lease, body, tokenId }, documents: written },
    )
    if (!saved.saved) throw new Error(`${name}: ${saved.reason}`)
    await store.budgets.take([{ key: loginBudgetKey({ uid: name }), limit: 10, windowMs: HOUR_MS }])
  }
  for (let from = 0; from < copies.length; from += AT_ONCE) {
    await Promise.all(copies.slice(from, from + AT_ONCE).map(give))
  }
}
