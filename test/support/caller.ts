/** Calls a broker over HTTP, as a service or an operator does. */
import { assertPublishedAnswers } from './answer-watch.ts'
import type { Parsed } from './parsed.ts'

export interface Answer {
  readonly status: number
  readonly headers: Headers
  /** Parsed JSON, else the text. */
  readonly body: Parsed
}

export interface CallOptions {
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** The bearer credential; null for none. Default: the admin key. */
  readonly key?: string | null
}

export type Call = (method: string, path: string, options?: CallOptions) => Promise<Answer>

export function createCaller(url: string, adminKey: string): Call {
  return async (method, path, { body, headers = {}, key = adminKey } = {}) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    assertPublishedAnswers()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      body: isJson && text !== '' ? JSON.parse(text) : text,
    }
  }
}
