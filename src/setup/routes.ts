/** `GET /integrations/{name}/setup` and `…/setup/metadata`. */
import type { FastifyRequest } from 'fastify'
import { Type } from 'typebox'
import { allows } from '../callers/policy.ts'
import { BrokerError } from '../errors/errors.ts'
import type { AddressRange } from '../http/address-range.ts'
import { operation } from '../http/openapi/operation.ts'
import { jsonOr } from '../http/openapi/representations.ts'
import { problems } from '../http/problems/problem.ts'
import { prefersMarkdown } from '../http/server/accept.ts'
import type { Server } from '../http/server/server.ts'
import type { Integration } from '../integrations/integration.ts'
import { visibleIntegration } from '../integrations/references/visible.ts'
import { NameParams } from '../integrations/schemas/schemas.ts'
import { zipOf } from './archive.ts'
import { blueprintOf } from './blueprint.ts'
import { markdownOf } from './markdown.ts'
import { metadataOf } from './metadata.ts'
import { MetadataQuery, SetupSheet, sheetView } from './schemas.ts'
import { sheetOf } from './sheet.ts'

interface SetupRouteDependencies {
  readonly integrations: { read(name: string): Promise<Integration | undefined> }
  readonly publicUrl: string | undefined
  /** Addresses from which this service calls, if configured. */
  readonly egressAddresses: readonly AddressRange[]
}

const ZIP_MEDIA_TYPE = 'application/zip'

export function registerSetupRoutes(
  server: Server,
  { integrations, publicUrl, egressAddresses }: SetupRouteDependencies,
): void {
  const blueprintFor = async ({ principal }: FastifyRequest, name: string) => {
    const permission = 'integrations:read'
    const integration = await visibleIntegration(name, { integrations, principal, permission })
    const { credentialFrom } = integration
    const found = credentialFrom === null ? undefined : await integrations.read(credentialFrom)
    const mayRead = found !== undefined && allows(principal, permission, found)
    const hidden = credentialFrom === null ? undefined : null
    const owner = mayRead ? found : hidden
    return blueprintOf(integration, { publicUrl, owner, egressAddresses })
  }

  server.get(
    '/integrations/:name/setup',
    operation('getSetup', 'integrations', {
      summary: 'Lists each field to set in Salesforce for this integration',
      description:
        'Needs `integrations:read`. JSON, or Markdown if `Accept` prefers it. Also works for a draft, before the app exists.',
      params: NameParams,
      response: {
        200: jsonOr(SetupSheet, 'text/markdown'),
        ...problems('integration_not_found', 'not_acceptable'),
      },
    }),
    async (request, reply) => {
      const sheet = sheetOf(await blueprintFor(request, request.params.name))
      reply.header('vary', 'accept')
      if (!prefersMarkdown(request.headers.accept)) return sheetView(sheet)
      reply.type('text/markdown; charset=utf-8').serializer(String)
      return reply.send(markdownOf(sheet) as never)
    },
  )

  server.get(
    '/integrations/:name/setup/metadata',
    operation('getSetupMetadata', 'integrations', {
      summary:
        'The External Client App, and the permission set of its user, as files for the Metadata API, in a zip',
      description:
        'Needs `integrations:read`. Contains the certificate, and no secret. The permission set has only API Enabled and the permissions that the grant needs; it is omitted if `permission_set` names another one. The default format is that of the Metadata API: deploy the zip with `sf project deploy start --single-package --metadata-dir FILE`. With `format=source`, unzip it in a Salesforce DX project.',
      params: NameParams,
      querystring: MetadataQuery,
      response: {
        200: Type.Unsafe<Buffer>({
          description:
            'A zip with `package.xml` at its root; with `format=source`, in `manifest` instead',
          content: { [ZIP_MEDIA_TYPE]: { schema: { type: 'string', format: 'binary' } } },
        }),
        ...problems('integration_not_found', 'grant_unfit'),
      },
    }),
    async (request, reply) => {
      const { name } = request.params
      const { contact_email, permission_set, profile, run_as, format } = request.query
      const blueprint = await blueprintFor(request, name)
      if (blueprint.source !== null) throw withoutApp(blueprint.source)
      const choices = {
        ...(contact_email !== undefined && { contactEmail: contact_email }),
        ...(permission_set !== undefined && { permissionSet: permission_set }),
        ...(profile !== undefined && { profile }),
        ...(run_as !== undefined && { runAs: run_as }),
      }
      const files = metadataOf(blueprint, choices, format)
      return reply
        .type(ZIP_MEDIA_TYPE)
        .header('content-disposition', `attachment; filename="${name}-external-client-app.zip"`)
        .send(zipOf(files))
    },
  )
}

const withoutApp = (source: string) =>
  new BrokerError(
    'grant_unfit',
    `There is no app to deploy. The integration exchanges the token of ${source}, whose app is at /integrations/${source}/setup/metadata`,
  )
