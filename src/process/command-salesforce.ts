/** The Salesforce client of commands that run without the service. Reads only network settings. */

import { randomUUID } from 'node:crypto'
import { type Environment, readConfig } from '../config/config.ts'
import type { ProofSigning } from '../dpop/proof.ts'
import { composeSalesforce, type Salesforce } from '../grants/salesforce.ts'

const VARIABLES = ['VALETKEY_LOGIN_HOSTS', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy']

export const SILENT = { info: () => undefined, warn: () => undefined }

/** For a command that sends no proofs. */
const PROVES_NOTHING: ProofSigning = {
  sign: () => Promise.reject(new Error('This command signs no proofs')),
}

/** Throws `ConfigError`. */
export function commandSalesforce(
  env: Environment,
  now: () => number,
  signers: ProofSigning = PROVES_NOTHING,
): Salesforce {
  const settings = Object.fromEntries(VARIABLES.map((variable) => [variable, env[variable]]))
  const config = readConfig(settings, { readFile: () => '' })
  return composeSalesforce({
    ...{ settings: config, lookup: undefined, proofs: { signers }, log: SILENT },
    runtime: { now, uniqueId: randomUUID },
  })
}
