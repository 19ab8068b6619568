// Made by `npm run generate` from openapi.yaml.

import type { CallersOperations } from './callers-operations.ts'
import type { CredentialsOperations } from './credentials-operations.ts'
import type { IntegrationsOperations } from './integrations-operations.ts'
import type { ServiceOperations } from './service-operations.ts'
import type { TokensOperations } from './tokens-operations.ts'

/** What each operation takes and answers, by `operationId`. */
export interface Operations
  extends TokensOperations,
    IntegrationsOperations,
    CredentialsOperations,
    CallersOperations,
    ServiceOperations {}

/** Method and path of each operation. */
export const OPERATIONS = {
  getToken: ['GET', '/tokens/{integration}'],
  revokeToken: ['DELETE', '/tokens/{integration}'],
  proveRequests: ['POST', '/tokens/{integration}/proofs'],
  checkToken: ['POST', '/tokens/{integration}/check'],
  putIntegration: ['PUT', '/integrations/{name}'],
  getIntegration: ['GET', '/integrations/{name}'],
  patchIntegration: ['PATCH', '/integrations/{name}'],
  deleteIntegration: ['DELETE', '/integrations/{name}'],
  getSetup: ['GET', '/integrations/{name}/setup'],
  testIntegration: ['POST', '/integrations/{name}/test'],
  probeDpop: ['POST', '/integrations/{name}/probes/dpop'],
  listIntegrations: ['GET', '/integrations'],
  summariseIntegrations: ['GET', '/integrations/summary'],
  listIntegrationCallers: ['GET', '/integrations/{name}/callers'],
  acceptIdentity: ['POST', '/integrations/{name}/identity'],
  acceptIdentities: ['POST', '/identities/accept'],
  listCredentials: ['GET', '/integrations/{name}/credentials'],
  stageCredential: ['POST', '/integrations/{name}/credentials'],
  getCertificate: ['GET', '/integrations/{name}/credentials/{id}/certificate'],
  certifyCredential: ['PUT', '/integrations/{name}/credentials/{id}/certificate'],
  deployCredential: ['POST', '/integrations/{name}/credentials/{id}/deploy'],
  getDeployment: ['GET', '/integrations/{name}/credentials/{id}/deployment'],
  activateCredential: ['POST', '/integrations/{name}/credentials/{id}/activate'],
  getCredential: ['GET', '/integrations/{name}/credentials/{id}'],
  deleteCredential: ['DELETE', '/integrations/{name}/credentials/{id}'],
  connectIntegration: ['POST', '/integrations/{name}/connections'],
  getConnection: ['GET', '/integrations/{name}/connections/{id}'],
  disconnectIntegration: ['DELETE', '/integrations/{name}/connection'],
  whoAmI: ['GET', '/whoami'],
  createApiKey: ['POST', '/api-keys'],
  listApiKeys: ['GET', '/api-keys'],
  deleteApiKey: ['DELETE', '/api-keys/{id}'],
  getReadiness: ['GET', '/readyz'],
  listAuditEvents: ['GET', '/audit'],
  createFreeze: ['POST', '/freezes'],
  listFreezes: ['GET', '/freezes'],
  getFreeze: ['GET', '/freezes/{id}'],
  liftFreeze: ['DELETE', '/freezes/{id}'],
  getExposure: ['GET', '/incidents/exposure'],
  getKeyring: ['GET', '/keyring'],
  resealKeyring: ['POST', '/keyring/reseal'],
  acceptStore: ['POST', '/store/accept'],
  eraseRecord: ['DELETE', '/store/records/{kind}/{name}'],
} as const
