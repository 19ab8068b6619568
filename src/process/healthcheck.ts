/** The `HEALTHCHECK` of the image: ends with 0 where `/livez` of the service beside it answers, and with 1 otherwise. */
import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getTls } from 'node:https'

const TIMEOUT_MS = 2_500
const EVERYWHERE = ['', '0.0.0.0', '::']

/** It runs every few seconds, so it reads the three settings by itself: the table of them loads half of the service. */
function urlOf(env: NodeJS.ProcessEnv): URL {
  const { VALETKEY_HOST: host = '', VALETKEY_PORT: port = '', VALETKEY_TLS_CERT_FILE: tls } = env
  const url = new URL(`${tls ? 'https' : 'http'}://127.0.0.1:8080/livez`)
  if (!EVERYWHERE.includes(host)) url.hostname = host.includes(':') ? `[${host}]` : host
  if (port !== '') url.port = port
  return url
}

/**
 * Liveness, and not readiness: whoever acts on this check starts the container anew, which mends a
 * dead process and neither a store that is away nor a disk that is full.
 */
function isAlive(url: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const answered = (answer: IncomingMessage) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    // The certificate names the service and not the loopback, and nothing is told to whoever answers.
    const request =
      url.protocol === 'https:'
        ? getTls(url, { signal, rejectUnauthorized: false }, answered)
        : getPlain(url, { signal }, answered)
    request.on('error', (error) => {
      process.stderr.write(`${url}: ${error.message}\n`)
      resolve(false)
    })
  })
}

process.exitCode = (await isAlive(urlOf(process.env))) ? 0 : 1
