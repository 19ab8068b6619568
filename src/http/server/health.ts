/** `/livez` and `/readyz`: liveness and readiness. */
import { Type } from 'typebox'
import { operation } from '../openapi/operation.ts'
import type { Server } from './server.ts'

export interface ReadinessCheck {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

export interface Readiness {
  /** False only while starting, while stopping, and while the audit is blocked. */
  readonly ready: boolean
  readonly checks: readonly ReadinessCheck[]
}

const ReadinessSchema = Type.Object(
  {
    ready: Type.Boolean(),
    checks: Type.Array(
      Type.Object({ name: Type.String(), ok: Type.Boolean(), detail: Type.String() }),
      {
        description:
          'Failures of the store or of an issuer appear here; they do not set `ready` to false.',
      },
    ),
  },
  { title: 'Readiness', description: 'Whether the replica can serve, and each check by name' },
)

export function registerHealth(server: Server, readiness: () => Readiness): void {
  server.get(
    '/livez',
    operation('getLiveness', 'service', {
      summary: 'Whether the process is alive',
      security: [],
      response: {
        200: Type.Object({ live: Type.Boolean() }, { description: 'It lives' }),
      },
    }),
    async () => ({ live: true }),
  )
  server.get(
    '/readyz',
    operation('getReadiness', 'service', {
      summary: 'Whether this replica can serve',
      security: [],
      response: { 200: ReadinessSchema, 503: ReadinessSchema },
    }),
    async (_request, reply) => {
      const state = readiness()
      return reply
        .code(state.ready ? 200 : 503)
        .send({ ready: state.ready, checks: [...state.checks] })
    },
  )
}
