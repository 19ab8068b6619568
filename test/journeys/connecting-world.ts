/** One broker behind a front, and an app that people at Salesforce can allow. */
import type { Test } from 'tap'
import type { NewAppSeed } from '../../simulator/handle.ts'
import { startSimulator } from '../../simulator/simulator.ts'
import { startBroker } from '../support/broker.ts'
import { startFront } from '../support/front.ts'
import { decide } from '../support/salesforce-user.ts'

export async function world(t: Test, options: { readonly app?: NewAppSeed } = {}) {
  let aheadMs = 0
  const now = () => Date.now() + aheadMs
  const front = await startFront(t)
  const simulator = await startSimulator({ now, settings: { deviceIntervalMs: 1_000 } })
  t.teardown(() => simulator.stop())
  const app = simulator.addRefreshTokenApp({
    callbackUrls: [`${front.url}/oauth/callback`],
    deviceFlow: true,
    pkceRequired: true,
    refreshTokenRotation: true,
    ...options.app,
  })
  const broker = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain],
    env: { VALETKEY_PUBLIC_URL: front.url, VALETKEY_METRICS_PORT: '1' },
    now,
  })
  front.turnTo(broker.url)
  const { call } = broker
  const put = (members: object = {}) =>
    call('PUT', '/integrations/billing', {
      body: {
        login_url: simulator.origins.myDomain,
        grant: { type: 'refresh_token', client_id: app.clientId },
        credential: { client_secret: app.clientSecret },
        ...members,
      },
    })
  const begin = (flow: string, more: object = {}, key?: string) =>
    call('POST', '/integrations/billing/connections', {
      body: { flow, ...more },
      ...(key !== undefined && { key }),
    })
  const read = async (id: string) =>
    (await call('GET', `/integrations/billing/connections/${id}`)).body
  /** The page that the browser shows in the end. */
  const open = async (authorizationUrl: string, options?: Parameters<typeof decide>[1]) =>
    fetch(await decide(authorizationUrl, options))
  const connect = async (options?: Parameters<typeof decide>[1]) => {
    const { body } = await begin('authorization_code')
    const page = await open(body.authorization_url, options)
    return { id: body.id as string, page, text: await page.text() }
  }
  const token = () => call('GET', '/tokens/billing')
  const state = async () => (await call('GET', '/integrations/billing')).body.status.state
  const pass = (ms: number) => {
    aheadMs += ms
  }
  return {
    front,
    simulator,
    app,
    broker,
    call,
    put,
    begin,
    read,
    open,
    connect,
    token,
    state,
    pass,
  }
}
