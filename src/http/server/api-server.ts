/** The server of the API with its limits of connections and its shutdown. */
import type { Log } from '../../runtime/runtime.ts'
import { createDrain, type Drain } from './drain.ts'
import { createPipelines, type Pipelines } from './pipeline.ts'
import { createServer, type Server, type ServerOptions } from './server.ts'

export interface ApiServer {
  readonly server: Server
  readonly drain: Drain
  /** Called when a caller authenticated on this connection. */
  readonly trust: Pipelines['trust']
}

export function composeServer(
  options: Omit<ServerOptions, 'pipelines' | 'drain'>,
  log: Pick<Log, 'warn'>,
): ApiServer {
  const pipelines = createPipelines()
  const drain = createDrain((connections) =>
    log.warn({ connections }, 'connections were still open when the time to stop was nearly over'),
  )
  const server = createServer({ ...options, pipelines, drain })
  return { server, drain, trust: pipelines.trust }
}
