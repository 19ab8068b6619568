import { type Answer, jsonAnswer } from '../answer.ts'
import type { Deployment } from '../deployments.ts'
import type { Exchange } from '../exchange.ts'
import { refuseRest, restError } from '../rest-refusals.ts'
import type { World } from '../world.ts'
import { refuseToken } from './rest-api.ts'

/** REST resources of the Metadata API: starts a deployment, and returns its state. */
export async function answerMetadata(exchange: Exchange, world: World): Promise<Answer> {
  const refusal = refuseToken(exchange, world)
  if (refusal !== undefined) return refusal
  const { orgId = '', userId = '' } = exchange.identified()
  if (!world.directory.user(userId).mayModifyMetadata) {
    return restError(403, 'INSUFFICIENT_ACCESS', 'insufficient access rights on cross-reference id')
  }
  const [, , , , , resource, id, ...rest] = exchange.path.split('/')
  if (resource !== 'deployRequest' || rest.length > 0) return notFound()
  if (id === undefined) {
    return exchange.method === 'POST' ? start(exchange, world, { orgId, userId }) : notAllowed()
  }
  if (exchange.method !== 'GET') return notAllowed()
  const deployment = world.deployments.find(id)
  if (deployment?.orgId !== orgId) return notFound()
  const hasDetails = exchange.query.get('includeDetails') === 'true'
  return jsonAnswer(200, statusOf(deployment, exchange.path, hasDetails))
}

async function start(
  { headers, body }: Exchange,
  world: World,
  who: { readonly orgId: string; readonly userId: string },
): Promise<Answer> {
  const parts = await partsOf(headers['content-type'] ?? '', body)
  const options = parts?.get('json') ?? parts?.get('entity_content')
  const file = parts?.get('file')
  if (typeof options !== 'string' || !(file instanceof File)) {
    return restError(
      400,
      'JSON_PARSER_ERROR',
      'The request is not the two parts json (or entity_content) and file',
    )
  }
  const { deployOptions } = JSON.parse(options) as { deployOptions?: { checkOnly?: boolean } }
  const { id } = world.deployments.start({
    ...who,
    archive: await file.bytes(),
    checkOnly: deployOptions?.checkOnly ?? false,
  })
  return jsonAnswer(201, { id, validatedDeployRequestId: null, deployOptions })
}

/** A part with a content type but no file name is read as text, as at Salesforce. */
async function partsOf(contentType: string, body: Buffer): Promise<FormData | undefined> {
  try {
    const response = new Response(new Uint8Array(body), {
      headers: { 'content-type': contentType },
    })
    return await response.formData()
  } catch (error) {
    if (error instanceof TypeError) return undefined
    throw error
  }
}

function statusOf(deployment: Deployment, path: string, hasDetails: boolean) {
  const { id, status, failures, components, createdAt, doneAt, checkOnly } = deployment
  const isDone = status !== 'Pending' && status !== 'InProgress'
  const success = status === 'Succeeded'
  return {
    id,
    url: path,
    deployResult: {
      id,
      checkOnly,
      createdDate: new Date(createdAt).toISOString(),
      completedDate: isDone ? new Date(doneAt).toISOString() : null,
      done: isDone,
      ignoreWarnings: false,
      numberComponentErrors: failures.length,
      numberComponentsDeployed: success ? components.length : 0,
      numberComponentsTotal: components.length,
      rollbackOnError: true,
      status,
      success,
      ...(status === 'Failed' && failures.length === 0 && UNKNOWN_FAILURE),
      ...(hasDetails && {
        details: {
          componentFailures: failures.map((failure) => ({
            ...failure,
            problemType: 'Error',
            success: false,
          })),
          componentSuccesses: success
            ? components.map((component) => ({ ...component, ...CHANGED }))
            : [],
        },
      }),
    },
  }
}

const CHANGED = { success: true, changed: true, created: false, deleted: false }

const UNKNOWN_FAILURE = {
  errorStatusCode: 'UNKNOWN_EXCEPTION',
  errorMessage: 'An unexpected error occurred',
}

const notFound = () => refuseRest('not_there')
const notAllowed = () =>
  restError(405, 'METHOD_NOT_ALLOWED', 'HTTP method is not allowed for this resource')
