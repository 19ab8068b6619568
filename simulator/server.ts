import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Handler } from './handler.ts'
import { ADDRESSES } from './hosts.ts'

/** Listens on one port of several loopback addresses, one for each host of Salesforce. */
interface Listening {
  readonly port: number
  /** Addresses of the machine: all on Linux, otherwise 127.0.0.1 with the `Host` header for the others. */
  readonly addresses: readonly string[]
  close(): Promise<void>
}

interface ListenOptions {
  /** 0: any free port. */
  readonly port: number
  /** PEM. With it, the simulator only speaks HTTPS. */
  readonly tls: { readonly key: string; readonly cert: string } | undefined
}

const ATTEMPTS = 20

export async function listen(options: ListenOptions, handler: Handler): Promise<Listening> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await listenEverywhere(options, handler)
    } catch (error) {
      // A port that is free on one address may be in use on the next. Then another port is tried.
      const isWorthRepeating = options.port === 0 && isCode(error, 'EADDRINUSE')
      if (!isWorthRepeating || attempt === ATTEMPTS) throw error
    }
  }
}

async function listenEverywhere(
  { port, tls }: ListenOptions,
  handler: Handler,
): Promise<Listening> {
  const servers: Server[] = []
  const addresses: string[] = []
  let bound = port
  try {
    for (const address of ADDRESSES) {
      const server = tls === undefined ? createServer() : createTlsServer(tls)
      server.on('request', (request, response) => void handler(request, response))
      try {
        bound = await listenOn(server, address, bound)
      } catch (error) {
        if (!isCode(error, 'EADDRNOTAVAIL')) throw error
        continue
      }
      servers.push(server)
      addresses.push(address)
    }
  } catch (error) {
    await closeAll(servers)
    throw error
  }
  return { port: bound, addresses, close: () => closeAll(servers) }
}

function listenOn(server: Server, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host, port }, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

async function closeAll(servers: readonly Server[]): Promise<void> {
  await Promise.all(
    servers.map(
      (server) =>
        new Promise((resolve) => {
          server.close(resolve)
          server.closeAllConnections()
        }),
    ),
  )
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
