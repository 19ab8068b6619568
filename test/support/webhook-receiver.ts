/** Whoever takes webhooks: a real HTTP server on loopback that checks each as a receiver should. */
import { createServer } from 'node:http'
import { Webhook } from 'standardwebhooks'
import type { Answer } from './caller.ts'

export interface ReceivedWebhook {
  readonly id: string
  readonly type: string
  readonly timestamp: string
  readonly data: Answer['body']
  /** As it came. */
  readonly text: string
}

export interface WebhookReceiver {
  /** With a path that is a secret of its own. */
  readonly url: string
  /** What it answers from now on. */
  answer(status: number, headers?: Readonly<Record<string, string>>): void
  /** What was taken (2xx), in order. */
  received(): readonly ReceivedWebhook[]
  /** Ids of all that came, taken or not. */
  attempts(): readonly string[]
  /** What was wrong with the signatures. */
  faults(): readonly string[]
}

interface Teardown {
  teardown(end: () => unknown): void
}

/** Everything must verify with each of the secrets. */
export async function startWebhookReceiver(
  t: Teardown,
  { secrets, path }: { readonly secrets: readonly string[]; readonly path: string },
): Promise<WebhookReceiver> {
  let answer = { status: 204, headers: {} as Readonly<Record<string, string>> }
  const received: ReceivedWebhook[] = []
  const attempts: string[] = []
  const faults: string[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (chunk) => {
      text += chunk
    })
    request.on('end', () => {
      const id = String(request.headers['webhook-id'])
      attempts.push(id)
      const headers = request.headers as Record<string, string>
      for (const secret of secrets) {
        try {
          new Webhook(secret).verify(text, headers)
        } catch (error) {
          faults.push((error as Error).message)
        }
      }
      if (request.url !== path) faults.push(`${request.method} ${request.url}`)
      if (answer.status < 300) received.push({ ...JSON.parse(text), id, text })
      response.writeHead(answer.status, answer.headers).end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as { port: number }
  return {
    url: `http://127.0.0.1:${port}${path}`,
    answer(status, headers = {}) {
      answer = { status, headers }
    },
    received: () => received,
    attempts: () => attempts,
    faults: () => faults,
  }
}

export const newWebhookSecret = (): string =>
  `whsec_${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64')}`
