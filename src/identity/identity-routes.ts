/** `POST /integrations/{name}/identity` and `POST /identities/accept`. */

import { Type } from 'typebox'
import type { AuditLog } from '../audit/log.ts'
import type { Asking, Confirm } from '../callers/index.ts'
import { allows, allowsSome, type Principal } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import { operation } from '../http/openapi/operation.ts'
import { problems } from '../http/problems/problem.ts'
import type { Server } from '../http/server/server.ts'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { everyIntegration } from '../integrations/every.ts'
import type { Integration } from '../integrations/integration.ts'
import type { IntegrationStore } from '../integrations/integration-store.ts'
import { authoriseBy, visibleIntegration } from '../integrations/references/visible.ts'
import { NameParams } from '../integrations/schemas/schemas.ts'
import { isUnusable } from '../store/integrity/record-schema.ts'
import type { Identity } from './identity.ts'
import type { Accepted, IdentityAcceptance } from './identity-acceptance.ts'

interface IdentityRouteDependencies {
  readonly integrations: Pick<IntegrationStore, 'read' | 'list'>
  readonly acceptance: IdentityAcceptance
  readonly audit: Pick<AuditLog, 'change'>
  readonly confirm: Confirm
}

const NullableId = Type.Unsafe<string | null>({ type: ['string', 'null'] })

const IdentitySchema = Type.Object(
  { org_id: NullableId, user_id: NullableId, instance_url: Type.String() },
  { title: 'Identity' },
)

const AcceptedIdentity = Type.Object(
  {
    integration: Type.String(),
    accepted: Type.Boolean({ description: 'False: no token was held back, and nothing changed' }),
    former: Type.Optional(IdentitySchema),
    identity: Type.Optional(IdentitySchema),
  },
  { title: 'Accepted identity', description: 'From now on, tokens of `identity` are served' },
)

const OrgId = Type.String(TEXT_FORMS.org_id)

const WRITE_PROBLEMS = ['conflict', 'media_type_unsupported'] as const

export function registerIdentityRoutes(
  server: Server,
  { integrations, acceptance, audit, confirm }: IdentityRouteDependencies,
): void {
  const authoriseOf = (request: Asking) => authoriseBy(() => confirm(request), 'integrations:write')

  server.post(
    '/integrations/:name/identity',
    operation('acceptIdentity', 'integrations', {
      summary: 'Accepts tokens of another org or user',
      description:
        'Needs `integrations:write`. Accepts the identity in `status.identity.seen`, and clears the cached refusal.',
      params: NameParams,
      body: Type.Object({ accept: Type.Literal(true) }, { additionalProperties: false }),
      response: {
        200: AcceptedIdentity,
        ...problems(...WRITE_PROBLEMS, 'integration_not_found'),
      },
    }),
    async (request) => {
      const { principal } = request
      const { name } = request.params
      const permission = 'integrations:write'
      await visibleIntegration(name, { integrations, principal, permission })
      const accepted = await acceptance.accept(name, authoriseOf(request))
      if (accepted) await audit.change(request, { action: 'identity.accepted', integration: name })
      return viewOf(name, accepted)
    },
  )

  server.post(
    '/identities/accept',
    operation('acceptIdentities', 'integrations', {
      summary: 'Accepts the new id of an org for every integration that is pinned to it',
      description:
        'Needs `integrations:write`; integrations that you may not write are not changed. Use it after a sandbox refresh. An integration whose token of the new org is held back gets that identity. An integration without a token since then gets the org, and its next token determines the user.',
      body: Type.Object({ from_org_id: OrgId, to_org_id: OrgId }, { additionalProperties: false }),
      response: {
        200: Type.Object(
          { items: Type.Array(AcceptedIdentity) },
          { title: 'Accepted identity list', description: 'The changed integrations, by name' },
        ),
        ...problems(...WRITE_PROBLEMS),
      },
    }),
    async (request) => {
      const { principal, body } = request
      if (!allowsSome(principal, 'integrations:write')) {
        throw new BrokerError('caller_forbidden', 'You lack integrations:write')
      }
      const move = { fromOrgId: body.from_org_id, toOrgId: body.to_org_id }
      const items = []
      for await (const integration of writable(principal)) {
        const { name } = integration
        const accepted = await acceptance
          .acceptMove(name, authoriseOf(request), move)
          .catch(unlessOutOfReach)
        if (!accepted) continue
        items.push(viewOf(name, accepted))
        await audit.change(request, { action: 'identity.accepted', integration: name })
      }
      return { items }
    },
  )

  async function* writable(principal: Principal): AsyncGenerator<Integration> {
    for await (const integration of everyIntegration(integrations)) {
      if (allows(principal, 'integrations:write', integration)) yield integration
    }
  }
}

/** Skips integrations that changed meanwhile, cannot be used, or may not be written by the caller. */
function unlessOutOfReach(error: unknown): undefined {
  const isOut =
    error instanceof BrokerError &&
    (error.code === 'caller_forbidden' || error.code === 'integration_not_found')
  if (!isOut && !isUnusable(error)) throw error
}

const identityView = ({ orgId, userId, instanceUrl }: Identity) => ({
  org_id: orgId,
  user_id: userId,
  instance_url: instanceUrl,
})

const viewOf = (integration: string, accepted: Accepted | undefined) => ({
  integration,
  accepted: accepted !== undefined,
  ...(accepted && {
    former: identityView(accepted.former),
    identity: identityView(accepted.identity),
  }),
})
