/** TLS of the API: its certificate and the CA of client certificates, reloaded when the files change. */

import { constants, createHash } from 'node:crypto'
import type { ServerOptions } from 'node:https'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { createTask, type Task } from '../../runtime/tasks.ts'

interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** If present, clients are asked for a certificate. It is optional for them. */
  readonly clientCaFile?: string
}

export interface ServerTls {
  readonly options: ServerOptions
  /** Passes the content of changed files to the server. Open connections remain. */
  follow(server: { setSecureContext(options: SecureContextOptions): void }): void
  stop(): Promise<void>
}

interface ServerTlsDependencies {
  readonly readFile: (path: string) => string
  readonly runtime: Pick<Runtime, 'sleep'>
  readonly log: Pick<Log, 'info' | 'error'>
}

/** Interval of the checks for changed files. */
const LOOK_MS = 2_000
const HANDSHAKE_TIMEOUT_MS = 10_000

/** Throws if a file cannot be read, or if certificate and key do not match. */
export function createServerTls(files: TlsFiles, dependencies: ServerTlsDependencies): ServerTls {
  const { readFile, runtime, log } = dependencies
  let task: Task | undefined

  const load = () => {
    const { certFile, keyFile, clientCaFile } = files
    const material = {
      cert: readFile(certFile),
      key: readFile(keyFile),
      ...(clientCaFile !== undefined && { ca: readFile(clientCaFile) }),
    }
    return { material, print: fingerprint(Object.values(material)) }
  }

  const first = load()
  const asksClients = files.clientCaFile !== undefined
  check(first.material, asksClients)
  let current = first.print
  let complained = ''

  const look = (server: { setSecureContext(options: SecureContextOptions): void }) => {
    let print = 'unreadable'
    try {
      const next = load()
      print = next.print
      if (print === current) {
        complained = ''
        return
      }
      check(next.material, asksClients)
      server.setSecureContext(contextOf(next.material, asksClients))
      current = print
      log.info({}, 'the TLS certificate was reloaded')
    } catch (error) {
      if (print === complained) return
      complained = print
      log.error({ err: error }, 'the new TLS certificate is not usable; the old one remains in use')
    }
  }

  return {
    options: {
      ...contextOf(first.material, asksClients),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      // A client with no certificate or an invalid one may still use a bearer credential.
      ...(asksClients && { requestCert: true, rejectUnauthorized: false }),
    },
    follow(server) {
      task ??= createTask({
        runtime,
        firstMs: LOOK_MS,
        async work() {
          look(server)
          return LOOK_MS
        },
      })
      task.start()
    },
    async stop() {
      await task?.stop()
    },
  }
}

interface Material {
  readonly cert: string
  readonly key: string
  readonly ca?: string
}

/** Disables session resumption, so that every connection verifies the client certificate with the current CA. */
const contextOf = (material: Material, asksClients: boolean): SecureContextOptions => ({
  ...material,
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (asksClients ? constants.SSL_OP_NO_TICKET : 0),
})

function check(material: Material, asksClients: boolean): void {
  if (asksClients && !material.ca?.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error('the CA file contains no certificate')
  }
  createSecureContext(contextOf(material, asksClients))
}

const fingerprint = (texts: readonly string[]) =>
  createHash('sha256').update(JSON.stringify(texts)).digest('base64')
