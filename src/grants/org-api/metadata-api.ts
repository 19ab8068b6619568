/** The REST resources of the Metadata API: deploys an archive and reads the state of a deployment. */
import { randomBytes } from 'node:crypto'
import { badAnswer } from '../token-endpoint/salesforce-answer.ts'
import {
  createOrgApi,
  membersOf,
  type OrgAnswer,
  type OrgApiDependencies,
  shown,
} from './org-api.ts'
import type { OrgCaller } from './org-request.ts'

interface DeployStatus {
  readonly isDone: boolean
  readonly isSuccess: boolean
  /** `Pending`, `InProgress`, `Succeeded`, `Failed`, `Canceled`, …; shortened. */
  readonly status: string
  /** The errors in Salesforce's words, shortened; empty if there are none. */
  readonly problem: string
}

/** Both methods throw `salesforce_unavailable`, `salesforce_timeout` or `token_response_invalid`. */
export type MetadataApi = ReturnType<typeof createMetadataApi>

type MetadataApiDependencies = Omit<OrgApiDependencies, 'title'>

const PATH = '/services/data/v67.0/metadata/deployRequest'
/** Rolls back on any error and runs no tests. */
const DEPLOY_OPTIONS = {
  allowMissingFiles: false,
  autoUpdatePackage: false,
  checkOnly: false,
  ignoreWarnings: true,
  performRetrieve: false,
  purgeOnDelete: false,
  rollbackOnError: true,
  singlePackage: true,
}
const DEPLOY_ID = /^0Af[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$/
export function createMetadataApi(dependencies: MetadataApiDependencies) {
  const { call } = createOrgApi({ ...dependencies, title: 'The Metadata API' })

  return {
    /** Starts a deployment and returns its id. */
    async deploy(caller: OrgCaller, archive: Uint8Array): Promise<OrgAnswer<string>> {
      const { type, body } = multipart(archive)
      const answer = await call(caller, {
        method: 'POST',
        path: PATH,
        headers: { 'content-type': type },
        body,
      })
      if (!answer.ok) return answer
      const { id } = membersOf(answer.value)
      if (typeof id !== 'string' || !DEPLOY_ID.test(id)) {
        throw badAnswer('The Metadata API answered without the id of the deployment.')
      }
      return { ok: true, value: id }
    },
    async status(caller: OrgCaller, id: string): Promise<OrgAnswer<DeployStatus>> {
      const path = `${PATH}/${encodeURIComponent(id)}?includeDetails=true`
      const answer = await call(caller, { method: 'GET', path })
      if (!answer.ok) return answer
      const result = membersOf(membersOf(answer.value).deployResult)
      if (typeof result.done !== 'boolean' || typeof result.status !== 'string') {
        throw badAnswer('The Metadata API answered without the state of the deployment.')
      }
      return { ok: true, value: statusOf(result, [caller.accessToken.reveal()]) }
    },
  }
}

/** One part with the options and one with the archive (RFC 7578). */
function multipart(archive: Uint8Array) {
  const boundary = `valetkey-${randomBytes(16).toString('hex')}`
  const head = [
    `--${boundary}`,
    'content-disposition: form-data; name="json"',
    'content-type: application/json',
    '',
    JSON.stringify({ deployOptions: DEPLOY_OPTIONS }),
    `--${boundary}`,
    'content-disposition: form-data; name="file"; filename="deploy.zip"',
    'content-type: application/zip',
    '',
    '',
  ].join('\r\n')
  const body = Buffer.concat([Buffer.from(head), archive, Buffer.from(`\r\n--${boundary}--\r\n`)])
  return { type: `multipart/form-data; boundary=${boundary}`, body }
}

function statusOf(result: Readonly<Record<string, unknown>>, secrets: readonly string[]) {
  const { componentFailures } = membersOf(result.details)
  const failures = [componentFailures ?? []].flat().map((failure) => membersOf(failure).problem)
  const problems = [result.errorStatusCode, result.errorMessage, ...failures]
  return {
    isDone: result.done === true,
    isSuccess: result.success === true,
    status: shown([result.status], secrets),
    problem: shown(problems, secrets),
  }
}
