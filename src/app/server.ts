/** The server of the API, with what bounds its connections and what ends them. */
import type { Config } from '../config/config.ts'
import { createDrain, type Drain } from '../http/server/drain.ts'
import { createPipelines, type Pipelines } from '../http/server/pipeline.ts'
import { createServer, type Server, type ServerOptions } from '../http/server/server.ts'
import type { Logger } from '../logger/logger.ts'

export interface ApiServer {
  readonly server: Server
  readonly drain: Drain
  /** A caller proved itself on this connection. */
  readonly trust: Pipelines['trust']
}

export interface ApiServerDependencies extends Pick<ServerOptions, 'tls' | 'onProblem'> {
  readonly config: Pick<Config, 'trustProxy' | 'connectionsPerAddress'>
  readonly log: Logger
}

export function composeServer({ config, log, ...rest }: ApiServerDependencies): ApiServer {
  const { trustProxy, connectionsPerAddress } = config
  const pipelines = createPipelines()
  const drain = createDrain((connections) =>
    log.warn({ connections }, 'connections were still open when the time to stop was nearly over'),
  )
  const server = createServer({
    ...{ ...rest, logger: log, trustProxy, connectionsPerAddress, pipelines, drain },
  })
  return { server, drain, trust: pipelines.trust }
}
