/** What a thief of a bound token gets at Salesforce: nothing, alone or with an old proof. */
import { randomUUID } from 'node:crypto'
import t from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { generateDpopKey, openDpopKey } from '../../src/dpop/dpop-key.ts'
import { athOf, signProof } from '../../src/dpop/proof.ts'
import { NO_SIGNERS } from '../support/no-signers.ts'

const simulator = await startSimulator()
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const app = simulator.addClientCredentialsApp()
const key = openDpopKey(generateDpopKey())

interface Changes {
  readonly method?: string
  readonly url?: string
  readonly token?: string | undefined
  readonly nonce?: string
  readonly signer?: typeof key
  readonly now?: () => number
}

const prove = async ({ method = 'GET', url = '', token, nonce, signer = key, now }: Changes) =>
  signProof(
    signer,
    { method, url, nonce, ath: token === undefined ? undefined : athOf(new Secret(token)) },
    { now: now ?? Date.now, uniqueId: randomUUID, signers: NO_SIGNERS },
  )

async function newToken() {
  const url = `${myDomain}/services/oauth2/token`
  const ask = async (nonce?: string) =>
    fetch(url, {
      method: 'POST',
      headers: {
        dpop: await prove({ method: 'POST', url, ...(nonce !== undefined && { nonce }) }),
      },
      body: new URLSearchParams({
        ...{ grant_type: 'client_credentials', client_id: app.clientId },
        client_secret: app.clientSecret,
      }),
    })
  const challenged = await ask()
  t.match(await challenged.json(), { error: 'use_dpop_nonce' })
  const answer = await ask(challenged.headers.get('dpop-nonce') ?? '')
  const members = (await answer.json()) as { access_token: string; token_type: string }
  t.equal(members.token_type, 'DPoP')
  return members.access_token
}

const LIMITS = `${myDomain}/services/data/v65.0/`
const OTHER = `${myDomain}/services/data/v65.0/sobjects`

t.test('the simulator takes a bound token with its own proof alone', async (t) => {
  const token = await newToken()
  const call = async (
    proof: string | undefined,
    { scheme = 'DPoP', method = 'GET', url = LIMITS },
  ) =>
    (
      await fetch(url, {
        method,
        headers: {
          authorization: `${scheme} ${token}`,
          ...(proof !== undefined && { dpop: proof }),
        },
      })
    ).status
  const good = () => prove({ url: LIMITS, token })
  t.equal(await call(await good(), {}), 200)
  t.equal(await call(undefined, {}), 401, 'no proof')
  t.equal(await call(undefined, { scheme: 'Bearer' }), 401, 'as a bearer token')
  t.equal(await call(await good(), { scheme: 'Bearer' }), 401, 'as a bearer token with a proof')
  const used = await good()
  t.equal(await call(used, {}), 200)
  t.equal(await call(used, {}), 401, 'the same proof twice')
  t.equal(await call(await good(), { url: OTHER }), 401, 'a proof for another path')
  t.equal(await call(await good(), { method: 'POST' }), 401, 'a proof for another method')
  const wrong: readonly Changes[] = [
    { url: LIMITS, token, signer: openDpopKey(generateDpopKey()) },
    { url: LIMITS, token: 'another' },
    { url: LIMITS },
    { url: `${LIMITS}x`, token },
    { url: LIMITS.replace('http://', 'HTTP://'), token },
    { url: LIMITS, token, now: () => Date.now() - 600_000 },
    { url: LIMITS, token, now: () => Date.now() + 600_000 },
  ]
  for (const changes of wrong)
    t.equal(await call(await prove(changes), {}), 401, JSON.stringify(changes))
  t.equal(await call(`${await good()}x`, {}), 401, 'a signature that was changed')
  t.equal(await call('a.b.c', {}), 401, 'no JWT')
})

t.test('the simulator never takes an unbound token for a bound one', async (t) => {
  const plain = simulator.addClientCredentialsApp()
  const answer = await fetch(`${myDomain}/services/oauth2/token`, {
    method: 'POST',
    body: new URLSearchParams({
      ...{ grant_type: 'client_credentials', client_id: plain.clientId },
      client_secret: plain.clientSecret,
    }),
  })
  const { access_token: token, token_type: type } = (await answer.json()) as Record<string, string>
  t.equal(type, 'Bearer')
  const proof = await prove({ url: LIMITS, token })
  const { status } = await fetch(LIMITS, {
    headers: { authorization: `DPoP ${token}`, dpop: proof },
  })
  t.equal(status, 401)
})
