/** Logs requests that failed by a problem of this service, not of the request. */
import type { FastifyRequest } from 'fastify'
import type { BrokerError } from '../../errors/errors.ts'

export function logFailure(error: BrokerError, { log }: Pick<FastifyRequest, 'log'>): void {
  if (error.status < 500) return
  const level = error.code === 'internal' ? 'error' : 'warn'
  // A cause with its own log line is not repeated for each request.
  const what = error.isTold ? {} : { err: error }
  log[level]({ ...what, code: error.code }, 'request failed')
}
