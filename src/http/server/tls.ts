/** TLS of the API: its certificate, and the CA of client certificates; read again when the files change. */

import { constants, createHash } from 'node:crypto'
import type { ServerOptions } from 'node:https'
import { createSecureContext, type SecureContextOptions } from 'node:tls'
import type { Log, Runtime } from '../../runtime/runtime.ts'
import { createTask, type Task } from '../../runtime/tasks.ts'

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  /** With it, clients are asked for a certificate; none is required. */
  readonly clientCaFile?: string
}

export interface ServerTls {
  /** For the server that is to be made. */
  readonly options: ServerOptions
  /** Gives the server what the files hold, whenever that changes. Connections that are open stay. */
  follow(server: { setSecureContext(options: SecureContextOptions): void }): void
  stop(): Promise<void>
}

export interface ServerTlsDependencies {
  readonly readFile: (path: string) => string
  readonly runtime: Pick<Runtime, 'sleep'>
  readonly log: Pick<Log, 'info' | 'error'>
}

/** How often the files are looked at. */
const LOOK_MS = 2_000
const HANDSHAKE_TIMEOUT_MS = 10_000

/** Throws where a file cannot be read, or certificate and key do not belong together. */
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
      log.info({}, 'the certificate of the API was read again')
    } catch (error) {
      if (print === complained) return
      complained = print
      log.error({ err: error }, 'the new certificate of the API cannot be used; the old one stays')
    }
  }

  return {
    options: {
      ...contextOf(first.material, asksClients),
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      // Who shows no certificate, or a bad one, may still come with a bearer credential.
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

/** A client's certificate is verified at every connection: a resumed session would bring back what was verified before, by another CA. */
const contextOf = (material: Material, asksClients: boolean): SecureContextOptions => ({
  ...material,
  minVersion: 'TLSv1.2',
  secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (asksClients ? constants.SSL_OP_NO_TICKET : 0),
})

function check(material: Material, asksClients: boolean): void {
  if (asksClients && !material.ca?.includes('-----BEGIN CERTIFICATE-----')) {
    throw new Error('the file of the CA has no certificate')
  }
  createSecureContext(contextOf(material, asksClients))
}

const fingerprint = (texts: readonly string[]) =>
  createHash('sha256').update(JSON.stringify(texts)).digest('base64')
