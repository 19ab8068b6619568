/**
 * One example for each operation, valid against the data of `npm run demo`. The order of this table
 * is the order of the document.
 */
import type { DescribedApi, Operation } from './derived-problems.ts'

interface WorkedExample {
  /** Path, query and header parameters by name. Absent parameters are omitted. */
  readonly parameters?: Readonly<Record<string, string | number>>
  readonly body?: unknown
}

const client = { integration: 'client-credentials' }
const named = { name: 'client-credentials' }
const signing = { name: 'jwt-bearer' }
const personal = { name: 'refresh-token' }
/** Placeholder for ids from earlier answers. */
const id = '00000000-0000-4000-8000-000000000000'
const anyVersion = { 'if-match': '*' }

export const WORKED_EXAMPLES: Readonly<Record<string, WorkedExample>> = {
  getToken: { parameters: client },
  postOAuthToken: {
    body: { grant_type: 'client_credentials', scope: 'integration:client-credentials' },
  },
  proveRequests: {
    parameters: client,
    body: {
      requests: [
        {
          method: 'GET',
          url: 'https://acme.my.salesforce.com/services/data/v66.0/query?q=SELECT+Id+FROM+Account',
        },
      ],
    },
  },
  passGateway: { parameters: client },
  logIn: { parameters: client, body: { grant_type: 'client_credentials' } },
  ignoreRevocation: { parameters: client, body: { token: '00D…!AQ…' } },
  ignoreRevocationByUrl: { parameters: client },
  introspectToken: { parameters: client, body: { token: '00D…!AQ…' } },
  getUserinfo: { parameters: client },
  postUserinfo: { parameters: client, body: {} },
  getSalesforceIdentity: {
    parameters: { ...client, org: '00D000000000001EAA', user: '005000000000001AAA' },
  },
  getAuthorizationServer: { parameters: client },
  logInBySoap: {
    parameters: { ...client, kind: 'u', version: '60.0' },
    body: '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><login xmlns="urn:partner.soap.sforce.com"><username>client-credentials</username><password>API_KEY</password></login></Body></Envelope>',
  },
  checkToken: {
    parameters: client,
    body: { seen: { status: 401, error_code: 'INVALID_SESSION_ID' } },
  },
  revokeToken: { parameters: client },

  putIntegration: {
    parameters: { name: 'billing' },
    body: {
      description: 'Billing sync',
      labels: { owner: 'team-billing' },
      login_url: 'https://acme.my.salesforce.com',
      grant: { type: 'jwt_bearer', username: 'billing@acme.com' },
      credential: { generate: {} },
    },
  },
  getSetup: { parameters: signing },
  getSetupMetadata: { parameters: { ...signing, contact_email: 'admin@acme.com' } },
  testIntegration: { parameters: named, body: {} },
  probeDpop: { parameters: named, body: {} },
  getIntegration: { parameters: named },
  listIntegrations: { parameters: { limit: 50 } },
  summariseIntegrations: {},
  listIntegrationCallers: { parameters: named },
  patchIntegration: {
    parameters: { ...signing, ...anyVersion },
    body: { labels: { owner: 'team-billing' } },
  },
  acceptIdentity: { parameters: named, body: { accept: true } },
  acceptIdentities: {
    body: { from_org_id: '00D000000000001', to_org_id: '00D000000000002' },
  },
  deleteIntegration: { parameters: { name: 'billing', ...anyVersion } },

  listCredentials: { parameters: signing },
  stageCredential: { parameters: signing, body: { generate: {} } },
  getCertificate: { parameters: { ...signing, id } },
  certifyCredential: {
    parameters: { ...signing, id },
    body: '-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n',
  },
  deployCredential: { parameters: { ...signing, id } },
  getDeployment: { parameters: { ...signing, id } },
  activateCredential: { parameters: { ...signing, id }, body: { prove: true } },
  getCredential: { parameters: { ...signing, id } },
  deleteCredential: { parameters: { ...signing, id } },
  connectIntegration: { parameters: personal, body: { flow: 'authorization_code' } },
  getConnection: { parameters: { ...personal, id } },
  finishConnection: {},
  disconnectIntegration: { parameters: personal },

  whoAmI: {},
  createApiKey: {
    body: { name: 'billing', permissions: ['tokens:read'], integrations: ['billing', 'billing-*'] },
  },
  listApiKeys: { parameters: { limit: 50 } },
  deleteApiKey: { parameters: { id: '00000000' } },

  getReadiness: {},
  getLiveness: {},
  showStatus: {},
  signIn: { body: { key: 'API_KEY' } },
  signOut: {},
  listAuditEvents: { parameters: { limit: 20 } },
  createFreeze: {
    body: {
      selector: { labels: { environment: 'drill' } },
      reason: 'Tokens were stolen, INC-4711',
    },
  },
  listFreezes: {},
  getFreeze: { parameters: { id: `frz_${id}` } },
  liftFreeze: { parameters: { id: `frz_${id}` } },
  getExposure: { parameters: { since: '2026-01-01T00:00:00Z', all: 'true' } },
  getKeyring: {},
  resealKeyring: {},
  acceptStore: { body: { restored: true } },
  eraseRecord: { parameters: { kind: 'integration', name: 'broken' } },
  listProblems: {},
  getProblem: { parameters: { code: 'grant_refused' } },
  listSalesforceRefusals: {},
}

const ORDER = Object.keys(WORKED_EXAMPLES)

interface Parameter {
  readonly name?: string
  readonly [member: string]: unknown
}

/** Pure. Throws if an operation has no example, because the table also defines the order. */
export function withWorkedExamples<Api extends DescribedApi>(api: Api): Api {
  const paths = Object.entries(api.paths ?? {}).map(([path, operations]) => {
    const ranked = Object.entries(operations).sort(([, a], [, b]) => rankOf(a) - rankOf(b))
    const worked = ranked.map(([method, operation]) => [method, withExample(operation)] as const)
    const first = ranked[0]?.[1]
    return { path, rank: first ? rankOf(first) : 0, operations: Object.fromEntries(worked) }
  })
  paths.sort((a, b) => a.rank - b.rank)
  return {
    ...api,
    paths: Object.fromEntries(paths.map(({ path, operations }) => [path, operations])),
  }
}

function rankOf({ operationId = '' }: Operation): number {
  const rank = ORDER.indexOf(operationId)
  if (rank === -1) throw new Error(`the operation ${operationId} has no worked example`)
  return rank
}

function withExample(operation: Operation): Operation {
  const { parameters = {}, body } = WORKED_EXAMPLES[operation.operationId ?? ''] ?? {}
  const described = operation.parameters as readonly Parameter[] | undefined
  const requestBody = operation.requestBody as RequestBody | undefined
  return {
    ...operation,
    ...(described && {
      parameters: described.map((parameter) => {
        const example = parameters[parameter.name ?? '']
        return example === undefined ? parameter : { ...parameter, example }
      }),
    }),
    ...(requestBody?.content &&
      body !== undefined && {
        requestBody: {
          ...requestBody,
          content: Object.fromEntries(
            Object.entries(requestBody.content).map(([type, media], index) => [
              type,
              // Only the first type, which every client can write.
              index === 0 ? { ...media, example: body } : media,
            ]),
          ),
        },
      }),
  }
}

interface RequestBody {
  readonly content?: Readonly<Record<string, object>>
}
