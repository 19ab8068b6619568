/** The HTTP API of Vault and OpenBao: one request, and what its answer means. */
import type { Secret } from '../../crypto/secret.ts'
import type { Outbound } from '../../http/outbound/outbound.ts'
import { signerAway } from '../signing-problem.ts'

export interface VaultRequest {
  readonly method: 'GET' | 'POST'
  /** Below `/v1/`, escaped. */
  readonly path: string
  /** Absent: a login. */
  readonly token?: Secret
  readonly body?: object
  /** Whether to send a POST again on a new connection, if a kept one was closed before the answer. A GET always is. Default: false, because the first one may have been done. */
  readonly repeatable?: boolean
  readonly signal: AbortSignal
}

export interface VaultAnswer {
  /** 200, 204, 400, 403, 404, or 500 with a reason that Vault states. */
  readonly status: number
  /** An empty object if there is none. */
  readonly body: Readonly<Record<string, unknown>>
  /** What Vault says about a failure. It may repeat what was sent, so nobody may see it. */
  readonly words: string
}

export type VaultClient = ReturnType<typeof createVaultClient>

interface VaultClientDependencies {
  readonly name: string
  /** An origin. */
  readonly address: string
  readonly namespace: string | undefined
}

export function createVaultClient({ name, address, namespace }: VaultClientDependencies) {
  return {
    /** Throws `signer_unavailable`. Refusals are answers. */
    async ask(outbound: Pick<Outbound, 'send'>, request: VaultRequest): Promise<VaultAnswer> {
      const { method, path, token, body, signal, repeatable = method === 'GET' } = request
      const outcome = await outbound.send({
        ...{ url: `${address}/v1/${path}`, method, signal, repeatable },
        headers: {
          'x-vault-request': 'true',
          ...(namespace !== undefined && { 'x-vault-namespace': namespace }),
          ...(token && { 'x-vault-token': token.reveal() }),
          ...(body && { 'content-type': 'application/json' }),
        },
        ...(body && { body: JSON.stringify(body) }),
      })
      if (!outcome.ok) {
        const code = outcome.hop?.code ?? outcome.reason
        throw signerAway(name, `cannot be reached (${code})`, { cause: outcome.cause })
      }
      const { status } = outcome
      const answer = objectIn(outcome.body)
      const words = wordsOf(answer)
      if (outcome.redirect) {
        throw signerAway(name, 'answers with a redirect', {
          remedy:
            'Name the address of the active node in the file of VALETKEY_SIGNERS, or a load balancer that knows it: redirects are not followed.',
        })
      }
      const isStated = status === 500 && words !== ''
      if (!ANSWERS.has(status) && !isStated) throw signerAway(name, whyAway(status, words))
      return { status, body: answer ?? {}, words }
    },
  }
}

const ANSWERS: ReadonlySet<number> = new Set([200, 204, 400, 403, 404])

function whyAway(status: number, words: string): string {
  if (status === 503 && /sealed/i.test(words)) return 'is sealed (503)'
  if (status === 429) return 'limits the rate of requests (429)'
  return `answers with the status ${status}`
}

function objectIn(body: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(body.toString('utf8'))
    return isObject(parsed) ? parsed : undefined
  } catch {
    // A proxy answers with a page. Its status says enough.
    return undefined
  }
}

const wordsOf = (answer: Readonly<Record<string, unknown>> | undefined): string =>
  Array.isArray(answer?.errors) ? answer.errors.join(' ') : ''

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
