/** A login host that gives everything back that it was sent, in each place of an answer. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface EchoHost {
  readonly origin: string
  /** How the next requests are answered. */
  use(echo: Echo): void
  /** How many requests came. */
  requests(): number
  close(): Promise<void>
}

type Echo = keyof typeof ECHOES

const json = (response: ServerResponse, status: number, body: unknown) => {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

const ECHOES = {
  description: (response: ServerResponse, text: string) =>
    json(response, 400, { error: 'invalid_grant', error_description: text }),
  error: (response: ServerResponse, text: string) => json(response, 400, { error: text }),
  both: (response: ServerResponse, text: string) =>
    json(response, 401, { error: text, error_description: text }),
  form(response: ServerResponse, text: string) {
    response.writeHead(400, { 'content-type': 'application/x-www-form-urlencoded' })
    response.end(
      new URLSearchParams({ error: 'invalid_grant', error_description: text }).toString(),
    )
  },
  page(response: ServerResponse, text: string) {
    response.writeHead(200, { 'content-type': 'text/html' })
    response.end(`<html>${text}</html>`)
  },
  noise(response: ServerResponse, text: string) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(`{"access_token": ${text}`)
  },
  redirect(response: ServerResponse, text: string) {
    response.writeHead(302, {
      location: `https://acme.my.salesforce.com/?${encodeURIComponent(text)}`,
    })
    response.end()
  },
  instance: (response: ServerResponse, text: string) =>
    json(response, 200, {
      access_token: 'a',
      instance_url: `https://x/${text}`,
      token_type: 'Bearer',
    }),
  token: (response: ServerResponse, text: string) =>
    json(response, 200, {
      access_token: `${text}\r\n`,
      instance_url: 'https://x',
      token_type: text,
    }),
  headers(response: ServerResponse, text: string) {
    const value = encodeURIComponent(text)
    response.writeHead(503, { 'retry-after': value, 'www-authenticate': value, 'x-echo': value })
    response.end(text)
  },
  dead(response: ServerResponse) {
    response.destroy()
  },
} as const

export const ECHO_KINDS = Object.keys(ECHOES) as Echo[]

export async function startEchoHost(): Promise<EchoHost> {
  let echo: Echo = 'description'
  let count = 0
  const server = createServer(async (request, response) => {
    count += 1
    ECHOES[echo](response, await everythingIn(request))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    origin: `http://127.0.0.1:${port}`,
    use(wanted) {
      echo = wanted
    },
    requests: () => count,
    close() {
      server.closeAllConnections()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** As it came, and decoded. */
async function everythingIn(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = Buffer.concat(chunks).toString()
  const { authorization = '' } = request.headers
  const pair = Buffer.from(authorization.replace(/^Basic /, ''), 'base64').toString()
  const values = [...new URLSearchParams(body).values()]
  return [authorization, pair, body, ...values].join(' ')
}
