import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import type { Test } from 'tap'
import { Secret } from '../../src/crypto/secret.ts'
import { BrokerError } from '../../src/errors/errors.ts'
import type { GrantContext } from '../../src/grants/grant.ts'
import { createTokenEndpoint } from '../../src/grants/token-endpoint/token-endpoint.ts'
import { createHostRules } from '../../src/http/outbound/login-host.ts'
import { createOutbound } from '../../src/http/outbound/outbound.ts'
import { type Answer, type Listener, listen } from '../http/listener.ts'
import { NO_SIGNERS } from '../support/no-signers.ts'

/** A token endpoint that talks to a loopback server that answers as the test says. */
export interface Fixture {
  readonly server: Listener
  readonly loginUrl: string
  readonly context: GrantContext
  readonly signal: AbortSignal
}

export const NOW = Date.UTC(2026, 10, 22, 10)
export const CLIENT_ID = '3MVG9lKcPoNINVBI.PJjdw1J9_LLM82Hn'

export async function fixture(t: Test, answer: Answer, deadlineMs = 5_000): Promise<Fixture> {
  const server = await listen(t, answer)
  const hosts = createHostRules([server.origin])
  const outbound = createOutbound({ hosts, deadlineMs })
  t.teardown(() => outbound.close())
  let ids = 0
  const context = {
    endpoint: createTokenEndpoint({
      outbound,
      hosts,
      now: () => NOW,
      clock: { learn: () => undefined, aheadMs: () => 0 },
    }),
    subjectTokens: {
      async of(integration: string, { rejected }: { rejected?: string }) {
        if (rejected !== undefined) throw new BrokerError('token_still_live', 'it lives')
        const accessToken = new Secret(`00Dxx0000001gPL!AR8AQ.of_${integration}`)
        return { accessToken, tokenId: 'T', instanceUrl: server.origin }
      },
      in: async () => new Secret('eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln'),
    },
    signers: NO_SIGNERS,
    now: () => NOW,
    uniqueId: () => {
      ids += 1
      return `id-${ids}`
    },
  }
  return { server, loginUrl: server.origin, context, signal: new AbortController().signal }
}

export interface TestKey {
  readonly publicKey: KeyObject
  readonly pkcs1: Secret
  readonly pkcs8: Secret
}

export function makeKey(): TestKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = (type: 'pkcs1' | 'pkcs8') =>
    new Secret(privateKey.export({ type, format: 'pem' }).toString())
  return { publicKey, pkcs1: pem('pkcs1'), pkcs8: pem('pkcs8') }
}

/** The smallest answer that holds all that is needed. */
export const TOKEN = {
  access_token: '00Dxx0000001gPL!AR8AQ.test_token',
  instance_url: 'https://acme.my.salesforce.com',
}

/** The error that a promise rejects with; fails where it is not a BrokerError. */
export async function problemOf(work: Promise<unknown>): Promise<BrokerError> {
  const error = await work.then(
    () => new Error('it was fulfilled'),
    (reason: unknown) => reason,
  )
  if (error instanceof BrokerError) return error
  throw new Error('no BrokerError', { cause: error })
}
