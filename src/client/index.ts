/** What `import … from 'valetkey/client'` gives. */
export type * from './api/callers.ts'
export type * from './api/credentials.ts'
export type * from './api/definitions.ts'
export type * from './api/forms.ts'
export type * from './api/integrations.ts'
export type { Operations } from './api/operations.ts'
export type * from './api/problems.ts'
export type * from './api/service.ts'
export type * from './api/tokens.ts'
export {
  type Answer,
  type ClientOptions,
  createClient,
  type RequestOf,
  type TokenOptions,
  type ValetkeyClient,
} from './client.ts'
export { ProblemError, UnreachableError } from './problem-error.ts'
