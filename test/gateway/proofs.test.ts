/** nginx, Caddy and Envoy with their examples, where Salesforce requires DPoP: the service behind them knows nothing of it. */
import t, { type Test } from 'tap'
import { DEFAULT_SETTINGS } from '../../simulator/settings.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { unlessProvided } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { CADDY } from '../support/gateway-programs.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { type Change, GATEWAYS } from './gateway-table.ts'
import { startGateway } from './running-gateway.ts'

let aheadMs = 0
const now = () => Date.now() + aheadMs
const simulator = await startSimulator({ now })
t.teardown(() => simulator.stop())
const { myDomain } = simulator.origins
const broker = await startBroker(t, { loginHosts: [myDomain], now })
const { call } = broker
const app = simulator.addClientCredentialsApp()
await call('PUT', '/integrations/billing', {
  body: {
    login_url: myDomain,
    grant: { type: 'client_credentials', client_id: app.clientId },
    credential: { client_secret: app.clientSecret },
    dpop: { mode: 'on' },
  },
})
simulator.updateApp(app.clientId, { dpopRequired: true })
const requests = ['GET /services/data/*/query', 'POST /services/data/*/query']
const keyFor = async (name: string, limits: object): Promise<string> => {
  const body = { name, permissions: ['tokens:read'], integrations: ['billing'], ...limits }
  return (await call('POST', '/api-keys', { body })).body.key
}

const QUERY = '/services/data/v66.0/query?q=SELECT+Id+FROM+Organization'
const NO_OBJECT = '/services/data/v66.0/query?q=SELECT+Id+FROM+ScratchOrgInfo'
const LIMITS = '/services/data/v66.0/limits'

interface ProvingGateway {
  readonly name: string
  /** What its example says to change for DPoP. */
  readonly changes: readonly Change[]
  /** Methods whose request survives a nonce that Salesforce asks for, and a dead session. */
  readonly survives: readonly string[]
}

const PROVING: readonly ProvingGateway[] = [
  {
    name: 'nginx',
    changes: [['error_page 401 = @again', 'error_page 400 401 = @again']],
    survives: ['GET', 'POST'],
  },
  {
    name: `Caddy ${CADDY.version}`,
    changes: [
      ['Instance-Host X-Valetkey-Token-Id', 'Instance-Host X-Valetkey-Token-Id DPoP'],
      [
        /Authorization X-Salesforce-Instance-Host$/gm,
        'Authorization X-Salesforce-Instance-Host DPoP',
      ],
    ],
    survives: ['GET'],
  },
  { name: 'Envoy', changes: [], survives: [] },
]

for (const { name, changes, survives } of PROVING) {
  const plain = GATEWAYS.find((gateway) => gateway.name === name)
  if (!plain) throw new Error(`no gateway has the name ${name}`)
  const gateway = { ...plain, changes: (instance: URL) => [...plain.changes(instance), ...changes] }
  const skip = unlessProvided(await gateway.provide((line) => t.comment(line)))

  const started = async (t: Test, key: string) => {
    const instance = new URL(myDomain)
    const running = await startGateway(t, gateway, { brokerUrl: broker.url, key, instance })
    t.teardown(() => {
      if (!t.passing()) t.comment(running.output())
    })
    return async (
      method: string,
      target: string,
      headers: Readonly<Record<string, string>> = {},
    ) => {
      const url = `http://127.0.0.1:${running.port}${gateway.prefix}${target}`
      const body = method === 'POST' ? '{"a":1}' : undefined
      const answer = await fetch(url, { method, headers, ...(body && { body }) })
      const text = await answer.text()
      const told = text + JSON.stringify([...answer.headers])
      const secrets = [key, ...simulator.sessions().map(({ token }) => token)]
      if (secrets.some((secret) => told.includes(secret)))
        t.fail(`a secret at the client: ${target}`)
      return { status: answer.status, text }
    }
  }
  const nonces = (changes: Partial<typeof DEFAULT_SETTINGS.dpop>) =>
    simulator.configure({ dpop: { ...DEFAULT_SETTINGS.dpop, ...changes } })

  t.test(name, { skip }, async (t) => {
    t.teardown(() => nonces({}))
    const send = await started(t, await keyFor(`limited-${GATEWAYS.indexOf(plain)}`, { requests }))

    t.test('puts the token and a proof on a request', async (t) => {
      simulator.clear()
      for (const method of ['GET', 'POST', 'GET']) {
        const mine = { authorization: 'Bearer mine', dpop: 'mine' }
        const answer = await send(method, QUERY, method === 'GET' ? mine : {})
        t.match(answer, { status: 200, text: simulator.acme.id }, method)
      }
      const seen = simulator.log.filter(({ path }) => path.includes('/services/data'))
      const proofs = seen.map(({ headers }) => headers.dpop)
      t.equal(new Set(proofs).size, seen.length, 'each has a proof of its own')
      t.ok(seen.every(({ headers }) => headers.authorization?.startsWith('DPoP ')))
      t.ok(
        seen.every(({ headers }) => !Object.keys(headers).some((one) => /^x-valetkey/.test(one))),
      )
    })

    t.test('lets nothing pass that the key does not permit', async (t) => {
      simulator.clear()
      for (const [method, target] of [
        ['GET', LIMITS],
        ['DELETE', QUERY],
        ['POST', `${QUERY}&_HttpMethod=DELETE`],
        ['POST', '/services/oauth2/token'],
      ] as const) {
        t.equal((await send(method, target)).status, 403, `${method} ${target}`)
      }
      t.equal(simulator.log.filter(({ headers }) => headers.dpop !== undefined).length, 0)
    })

    t.test(
      'survives a nonce that Salesforce asks for, or has it for the next request',
      async (t) => {
        for (const challengeStatus of [400, 401] as const) {
          for (const method of ['GET', 'POST']) {
            nonces({ resourceNonce: 'required', challengeStatus, nonceLifetimeMs: 60_000 })
            await send(method, QUERY)
            t.equal((await send(method, QUERY)).status, 200)
            aheadMs += 2 * 60_000
            const first = await send(method, QUERY)
            if (survives.includes(method))
              t.equal(first.status, 200, `${method} ${challengeStatus}`)
            else t.not(first.status, 200)
            const logins = simulator.tokenRequests().length
            t.equal((await send(method, QUERY)).status, 200, `${method} ${challengeStatus}, next`)
            t.equal(simulator.tokenRequests().length, logins, 'a nonce is no dead session')
          }
        }
        nonces({})
      },
    )

    t.test('keeps its token where Salesforce refuses the request itself with 400', async (t) => {
      t.equal((await send('GET', QUERY)).status, 200)
      await lifeKnown(call, 'billing')
      const logins = simulator.tokenRequests().length
      for (const method of ['GET', 'POST']) {
        t.match(await send(method, NO_OBJECT), { status: 400, text: /INVALID_TYPE/ }, method)
      }
      t.equal(simulator.tokenRequests().length, logins)
    })

    t.test('survives the end of a session, or has another for the next request', async (t) => {
      for (const refusesWithNonce of [false, true]) {
        nonces({ refusesWithNonce })
        for (const method of ['GET', 'POST']) {
          const what = `${method}, ${refusesWithNonce ? 'with' : 'without'} a nonce`
          t.equal((await send(method, QUERY)).status, 200, what)
          await lifeKnown(call, 'billing')
          t.ok(simulator.endSessions() > 0)
          const first = await send(method, QUERY)
          if (survives.includes(method)) t.equal(first.status, 200, what)
          else t.not(first.status, 200, what)
          t.equal((await send(method, QUERY)).status, 200, what)
        }
      }
    })
  })
}
