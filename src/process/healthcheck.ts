/** The `HEALTHCHECK` of the image. Exits with 0 if `/livez` of the service answers, otherwise with 1. */
import { get as getPlain, type IncomingMessage } from 'node:http'
import { get as getTls } from 'node:https'

const TIMEOUT_MS = 2_500
const EVERYWHERE = ['', '0.0.0.0', '::']

/** Reads three settings itself, because it runs every few seconds and the table of settings loads half of the service. */
function urlOf(env: NodeJS.ProcessEnv): URL {
  const { VALETKEY_HOST: host = '', VALETKEY_PORT: port = '', VALETKEY_TLS_CERT_FILE: tls } = env
  const url = new URL(`${tls ? 'https' : 'http'}://127.0.0.1:8080/livez`)
  if (!EVERYWHERE.includes(host)) url.hostname = host.includes(':') ? `[${host}]` : host
  if (port !== '') url.port = port
  return url
}

/** Uses liveness, not readiness: a restart repairs a dead process, but neither an unavailable store nor a full disk. */
function isAlive(url: URL): Promise<boolean> {
  return new Promise((resolve) => {
    const answered = (answer: IncomingMessage) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    }
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    // The certificate does not name the loopback address. The request contains no secret.
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
