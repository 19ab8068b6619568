/** The Salesforce client of commands that run without the service. Reads only network settings. */

import { randomUUID } from 'node:crypto'
import { type Environment, readConfig } from '../config/config.ts'
import { composeSalesforce, type Salesforce } from '../grants/salesforce.ts'

const VARIABLES = ['VALETKEY_LOGIN_HOSTS', 'HTTPS_PROXY', 'https_proxy', 'NO_PROXY', 'no_proxy']

export const SILENT = { info: () => undefined, warn: () => undefined }

/** Throws `ConfigError`. */
export function commandSalesforce(env: Environment, now: () => number): Salesforce {
  const settings = Object.fromEntries(VARIABLES.map((variable) => [variable, env[variable]]))
  const config = readConfig(settings, { readFile: () => '' })
  return composeSalesforce({
    ...{ settings: config, lookup: undefined, runtime: { now, uniqueId: randomUUID }, log: SILENT },
  })
}
