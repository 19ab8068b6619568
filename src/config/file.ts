/** Parses the configuration file and reports every mistake with its line. */
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import type { CallerEntry, IssuerSettings } from '../callers/caller-entry.ts'
import { requestsTrouble } from '../callers/policy.ts'
import { credentialInputOf, type GivenCredential } from '../credentials/credential-input.ts'
import type { OutsideMember } from '../credentials/outside.ts'
import { BrokerError } from '../errors/errors.ts'
import { isNetwork } from '../http/networks.ts'
import { camelKeys } from '../http/server/casing.ts'
import { deploymentNamed } from '../integrations/certificate-deployment.ts'
import type { IntegrationInput } from '../integrations/composition.ts'
import { once } from '../runtime/once.ts'
import { ConfigError } from './config-error.ts'
import { ConfigurationFile, DeclaredIntegration } from './file-schema.ts'
import { type ReadYaml, readYaml } from './yaml-file.ts'

export interface FileCredential {
  readonly privateKeyFile?: string
  readonly certificateFile?: string
  readonly keystoreFile?: string
  readonly passphraseFile?: string
  readonly clientSecretFile?: string
  readonly refreshTokenFile?: string
}

export interface DeclaredEntry {
  readonly name: string
  readonly line: number
  /** Mistakes with their lines. If there are any, `input` is undefined. */
  readonly mistakes: readonly string[]
  readonly input: IntegrationInput | undefined
  readonly files: FileCredential
}

export interface FileContent {
  readonly issuers: readonly IssuerSettings[]
  readonly callers: readonly CallerEntry[]
  readonly integrations: readonly DeclaredEntry[]
  /** Deletes integrations whose entry is gone, instead of leaving them to the API. */
  readonly prune: boolean
}

/** Compiled with the first file, so that a process without one starts fast. */
const validators = once(() => {
  const ajv = addFormats.default(
    new Ajv({
      allErrors: true,
      discriminator: true,
      strict: false,
      useDefaults: true,
      verbose: true,
    }),
  )
  return {
    validateFile: ajv.compile(ConfigurationFile),
    validateIntegration: ajv.compile(DeclaredIntegration),
  }
})

/** Throws {@link ConfigError} for invalid syntax, issuers and callers. An invalid integration carries its mistakes. */
export function parseConfigurationFile(text: string): FileContent {
  const read = readYaml(text)
  const { content, lineOf, mistakesIn } = read
  const { validateFile } = validators()
  if (!validateFile(content)) throw new ConfigError(mistakesIn(validateFile.errors, []))
  const given = content as {
    issuers?: object[]
    callers?: object[]
    integrations?: Record<string, unknown>
    prune?: boolean
  }
  const issuers = camelKeys(given.issuers ?? []) as readonly IssuerSettings[]
  const callers = camelKeys(given.callers ?? []) as unknown as readonly CallerEntry[]
  const wrong = [...issuerFaults(issuers), ...callerFaults(callers, issuers)]
  if (wrong.length > 0) {
    throw new ConfigError(
      wrong.map(({ path, why }) => `line ${lineOf(path)}: ${path.join('.')} ${why}`),
    )
  }
  return {
    issuers,
    callers: callers.map((caller) => ({ ...caller, labels: caller.labels ?? {} })),
    prune: given.prune ?? false,
    integrations: Object.entries(given.integrations ?? {}).map(([name, entry]) =>
      entryOf(name, entry, ['integrations', name], read),
    ),
  }
}

/** Parses a file with one integration, in the form of an entry of the configuration file. Throws {@link ConfigError} for invalid syntax. */
export function parseIntegrationFile(text: string, name: string): DeclaredEntry {
  const read = readYaml(text)
  return entryOf(name, read.content, [], read)
}

export function isConfigurationFile(text: string): boolean {
  const { content } = readYaml(text)
  const members = typeof content === 'object' && content !== null ? Object.keys(content) : []
  return members.length === 0 || members.some((member) => member in ConfigurationFile.properties)
}

function entryOf(
  name: string,
  entry: unknown,
  path: readonly string[],
  { lineOf, mistakesIn }: ReadYaml,
): DeclaredEntry {
  const line = lineOf(path)
  const { validateIntegration } = validators()
  if (!validateIntegration(entry)) {
    const mistakes = mistakesIn(validateIntegration.errors, path)
    return { name, line, mistakes, input: undefined, files: {} }
  }
  return {
    name,
    line,
    mistakes: [],
    ...splitCredential(deploymentNamed(camelKeys(entry)) as unknown as Entry),
  }
}

type Entry = Omit<IntegrationInput, 'credential'> & {
  readonly credential?: FileCredential &
    Pick<GivenCredential, OutsideMember | 'signer' | 'generate' | 'from' | 'alias'>
}

function splitCredential({ credential, ...definition }: Entry) {
  if (!credential) return { input: definition, files: {} }
  const { signer, generate, from, alias, ...rest } = credential
  const { asked, ...files } = credentialInputOf(rest)
  return {
    input: {
      ...definition,
      credential: {
        ...(asked && { asked }),
        ...(signer && { signer }),
        ...(generate && { generate }),
        ...(from !== undefined && { from }),
        ...(alias !== undefined && { alias }),
      },
    },
    files,
  }
}

interface Fault {
  readonly path: readonly string[]
  readonly why: string
}

const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/

function isSafeUrl(text: string): boolean {
  const url = URL.parse(text)
  return (
    url !== null &&
    (url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname)))
  )
}

function issuerFaults(issuers: readonly IssuerSettings[]): readonly Fault[] {
  return issuers.flatMap(({ issuer, jwksUri }, at): Fault[] => {
    const path = ['issuers', String(at)]
    const insecure = 'must be an https URL (http on loopback only)'
    return [
      ...(isSafeUrl(issuer) ? [] : [{ path: [...path, 'issuer'], why: insecure }]),
      ...(jwksUri === undefined || isSafeUrl(jwksUri)
        ? []
        : [{ path: [...path, 'jwks_uri'], why: insecure }]),
      ...(issuers.findIndex((other) => other.issuer === issuer) < at
        ? [{ path, why: 'occurs twice' }]
        : []),
    ]
  })
}

/** Permissions on integrations have no effect without a list of integrations. */
const OVER_INTEGRATIONS = /^(tokens|integrations|credentials):/

function callerFaults(callers: readonly CallerEntry[], issuers: readonly IssuerSettings[]) {
  return callers.flatMap((caller, at): Fault[] => {
    const { name, match, permissions, integrations, requests, networks = [] } = caller
    const path = ['callers', String(at)]
    const mayProve = permissions.includes('tokens:prove')
    const trouble = mayProve ? requestsTrouble(permissions, requests) : undefined
    const isKnown = match.issuer === undefined || issuers.some((one) => one.issuer === match.issuer)
    const isEmpty =
      integrations === undefined && permissions.some((one) => OVER_INTEGRATIONS.test(one))
    const isMixed = match.certificate !== undefined && match.issuer !== undefined
    const isOpen = match.certificate === undefined && match.issuer === undefined
    return [
      ...(isKnown
        ? []
        : [{ path: [...path, 'match', 'issuer'], why: 'is not one of the issuers' }]),
      ...(isEmpty ? [{ path, why: 'names no integrations for its permissions' }] : []),
      ...(trouble === undefined ? [] : [{ path, why: trouble }]),
      ...networks.flatMap((network, place) =>
        isNetwork(network)
          ? []
          : [
              {
                path: [...path, 'networks', String(place)],
                why: 'is no IP address and no CIDR such as 10.0.0.0/8',
              },
            ],
      ),
      ...(isMixed || isOpen
        ? [{ path: [...path, 'match'], why: 'must have either issuer or certificate' }]
        : []),
      ...(callers.findIndex((other) => other.name === name) < at
        ? [{ path, why: 'has the name of another caller' }]
        : []),
    ]
  })
}

/** The problem that disables the integration of an invalid entry. */
export const entryError = (mistakes: readonly string[]): BrokerError =>
  new BrokerError('request_invalid', mistakes.join('; '))
