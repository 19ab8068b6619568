/** One request, as a job makes it: the least that `node:http` does, so that a wait is that of the other side. */
import { type Agent, request } from 'node:http'

export interface Asked {
  readonly status: number
  readonly cacheStatus: string
  readonly text: string
}

export interface AskOptions {
  readonly agent: Agent
  /** Default GET. */
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** Rejects where no answer came. */
export function ask(url: string, { body, ...options }: AskOptions): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const asked = request(url, options, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        const cacheStatus = String(response.headers['cache-status'] ?? '')
        resolve({ status: response.statusCode ?? 0, cacheStatus, text })
      })
    })
    asked.on('error', reject).end(body)
  })
}
