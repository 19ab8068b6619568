/** The command `valetkey doctor` examines the integrations of a file and prints the reports. */
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename, extname } from 'node:path'
import { reportText } from '../command/remote/report.ts'
import type { Terminal } from '../command/terminal.ts'
import type { Environment } from '../config/config.ts'
import { ConfigError } from '../config/config-error.ts'
import {
  type DeclaredEntry,
  isConfigurationFile,
  parseConfigurationFile,
  parseIntegrationFile,
} from '../config/file.ts'
import { type ReadFile, readingWith } from '../config/loader.ts'
import { readSigners } from '../config/signers-file.ts'
import { createIntake } from '../credentials/intake.ts'
import { createOutsideSecrets } from '../credentials/outside-secrets.ts'
import { createDoctor, type Report } from '../doctor/doctor.ts'
import { reportView } from '../doctor/schemas.ts'
import { BrokerError } from '../errors/errors.ts'
import { createRuntime } from '../runtime/runtime.ts'
import { composeSigners } from '../signers/compose.ts'
import { tokenInFile } from '../tokens/mint/subject-tokens.ts'
import { createTokenRequester } from '../tokens/serve/token-request.ts'
import { commandSalesforce, SILENT } from './command-salesforce.ts'
import { createFileTargets } from './file-targets.ts'

export interface DiagnoseOptions {
  readonly json?: boolean
  readonly terminal: Pick<Terminal, 'print' | 'paint'>
}

const STDIN = 0
const NAME = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/

/** True: all integrations passed. Without names: all of the file. Throws `ConfigError`. */
export async function diagnose(
  path: string,
  names: readonly string[],
  env: Environment,
  { json = false, terminal }: DiagnoseOptions,
): Promise<boolean> {
  const entries = readEntries(path)
  const chosen = names.length === 0 ? entries : names.map((name) => named(entries, name))
  const { examine, close } = composeDoctor(env)
  const reports: Report[] = []
  try {
    for (const entry of chosen) {
      const report = await examine(entry, entries)
      reports.push(report)
      if (!json) terminal.print(reportText(viewOf(report), terminal))
    }
  } finally {
    await close()
  }
  const ok = reports.every((report) => report.ok)
  if (json) terminal.print(JSON.stringify({ ok, reports: reports.map(viewOf) }))
  return ok
}

const viewOf = (report: Report) => reportView(report, () => true)

function composeDoctor(env: Environment) {
  const now = Date.now
  const uniqueId = () => randomUUID()
  const runtime = createRuntime({ log: SILENT })
  const signers = composeSigners({
    settings: readSigners(env.VALETKEY_SIGNERS || undefined, readFileText),
    ...{ runtime, log: SILENT },
  })
  const { outbound, hosts, clock, endpoint } = commandSalesforce(env, now, signers)
  const outside = createOutsideSecrets({ ...runtime, vaults: signers })
  const subjectTokens = { of: mintsNone, in: tokenInFile }
  const grants = { endpoint, subjectTokens, signers, now, uniqueId }
  const doctor = createDoctor({
    ...{ outbound, hosts, clock, now, monotonic: () => performance.now(), grants },
  })
  const targets = createFileTargets({
    intake: createIntake({ signers, outside, now, uniqueId }),
    ...{ hosts, outside },
    requester: createTokenRequester({
      ...{ grants, refreshTokens: { exchange: usesNone }, log: SILENT },
      runtime,
    }),
    readText: readingWith(readFileText),
    now,
    uniqueId,
  })
  return {
    async examine(entry: DeclaredEntry, others: readonly DeclaredEntry[]): Promise<Report> {
      const target = await targets.targetOf(entry, others)
      if (!('check' in target)) return doctor.examine(target)
      return { integration: entry.name, ok: false, loginsUsed: 0, checks: [target] }
    },
    async close() {
      await signers.stop()
      await outbound.close()
    },
  }
}

const readFileText: ReadFile = (path, encoding = 'utf8') => readFileSync(path, encoding)

async function mintsNone(integration: string): Promise<never> {
  throw new BrokerError(
    'integration_not_found',
    `Only the service mints the token of ${integration}: use POST /integrations/{name}/test of the service`,
  )
}

/** A rotated refresh token would be lost at the end of this process, and with it the approval. */
async function usesNone(): Promise<never> {
  throw new BrokerError(
    'integration_not_connected',
    'Only the service uses a refresh token, because it keeps the rotated one: use POST /integrations/{name}/test of the service',
  )
}

/** `-` is the standard input. */
function readEntries(path: string): readonly DeclaredEntry[] {
  const isPiped = path === '-'
  const text = readingWith((from) => readFileSync(isPiped ? STDIN : from, 'utf8'))(path)
  const fileName = isPiped ? '' : basename(path, extname(path))
  const name = NAME.test(fileName) ? fileName : 'integration'
  try {
    if (!isConfigurationFile(text)) return [parseIntegrationFile(text, name)]
    const { integrations } = parseConfigurationFile(text)
    if (integrations.length > 0) return integrations
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(error.mistakes.map((mistake) => `${path}: ${mistake}`))
  }
  throw new ConfigError([`${path}: contains no integration: neither login_url nor integrations`])
}

function named(entries: readonly DeclaredEntry[], name: string): DeclaredEntry {
  const entry = entries.find((one) => one.name === name)
  if (entry) return entry
  throw new ConfigError([`${name}: is not an integration of the file`])
}
