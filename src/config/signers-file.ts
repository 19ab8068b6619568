/** The file of `VALETKEY_SIGNERS`: the services that sign with keys that the broker does not have, and that wrap the keys of its keyring. */
import { X509Certificate } from 'node:crypto'
import type { SignerSettings, VaultAuth } from '../signers/signer-settings.ts'
import type { WrappingSettings } from '../signers/wrapping/wrapping.ts'
import { ConfigError } from './config-error.ts'
import type { ReadFile } from './loader.ts'
import {
  type SignerEntry,
  type SignersContent,
  signersValidator,
  type VaultAuthEntry,
  type VaultEntry,
} from './signers-schema.ts'
import { readYaml } from './yaml-file.ts'

const DEFAULT_SECONDS = 2
const DEFAULT_AT_ONCE = 8
const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/token'
const MOUNTS = { app_role: 'approle', jwt: 'jwt', kubernetes: 'kubernetes', certificate: 'cert' }
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\]|localhost)$/

interface SignersFile {
  readonly signers: readonly SignerSettings[]
  readonly keyringKeys: readonly WrappingSettings[]
}

/** Empty without a path. Throws {@link ConfigError}. */
export const readSigners = (
  path: string | undefined,
  readFile: ReadFile,
): readonly SignerSettings[] => readSignersFile(path, readFile).signers

/** Empty without a path. Throws {@link ConfigError}. */
export function readSignersFile(path: string | undefined, readFile: ReadFile): SignersFile {
  if (path === undefined) return { signers: [], keyringKeys: [] }
  try {
    return parseSigners(textOf(path, readFile), readFile)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    throw new ConfigError(error.mistakes.map((mistake) => `VALETKEY_SIGNERS: ${mistake}`))
  }
}

function textOf(path: string, readFile: ReadFile): string {
  try {
    return readFile(path)
  } catch (error) {
    const { code = 'unknown' } = error as NodeJS.ErrnoException
    throw new ConfigError([`${path} cannot be read (${code})`])
  }
}

function parseSigners(text: string, readFile: ReadFile): SignersFile {
  const { content, lineOf, mistakesIn } = readYaml(text)
  const validate = signersValidator()
  if (!validate(content)) throw new ConfigError(mistakesIn(validate.errors, []))
  const { signers, keyring_keys: keys = {} } = content as SignersContent
  const wrong = Object.entries(signers).flatMap(([name, one]) => {
    if (one.type === 'pkcs11') return []
    const member = one.type === 'aws_kms' ? 'endpoint' : 'address'
    const origin = one.type === 'aws_kms' ? one.endpoint : one.address
    if (origin === undefined || isUsable(origin)) return []
    const path = ['signers', name, member]
    const what = 'must be an https origin without a path (http on loopback only)'
    return [`line ${lineOf(path)}: ${path.join('.')} ${what}`]
  })
  const cas = Object.entries(signers).flatMap(([name, one]) => {
    if (one.type !== 'vault_transit' || one.ca_file === undefined) return []
    const path = ['signers', name, 'ca_file']
    const { ca, mistake } = readCa(one.ca_file, readFile)
    if (mistake !== undefined) wrong.push(`line ${lineOf(path)}: ${path.join('.')} ${mistake}`)
    return ca === undefined ? [] : [[name, ca] as const]
  })
  for (const [name, { signer }] of Object.entries(keys)) {
    const type = Object.hasOwn(signers, signer) ? signers[signer]?.type : undefined
    if (type === 'vault_transit' || type === 'aws_kms') continue
    const path = ['keyring_keys', name, 'signer']
    const what = type
      ? `must not be of the type ${type}, which wraps nothing`
      : 'is no name of signers'
    wrong.push(`line ${lineOf(path)}: ${path.join('.')} ${what}`)
  }
  if (wrong.length > 0) throw new ConfigError(wrong)
  const caOf = new Map(cas)
  const all = Object.entries(signers).map(([name, one]) => settingsOf(name, one, caOf.get(name)))
  return {
    signers: all,
    keyringKeys: Object.entries(keys).flatMap(([name, { signer: of, key }]) =>
      all.flatMap((signer) =>
        signer.name === of && signer.type !== 'pkcs11' ? [{ name, signer, key }] : [],
      ),
    ),
  }
}

function readCa(path: string, readFile: ReadFile) {
  const cure = 'name a PEM file with the certificate of the CA, which this service may read'
  try {
    const ca = readFile(path)
    new X509Certificate(ca)
    return { ca }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const isUnread = code !== undefined && /^E[A-Z]+$/.test(code)
    const what = isUnread ? `cannot be read (${code})` : 'has no certificate'
    return { mistake: `${path} ${what}: ${cure}` }
  }
}

const commonOf = (name: string, one: SignerEntry) => ({
  ...{ name, keys: one.keys ?? [] },
  integrations: one.integrations ?? ['*'],
  timeoutMs: (one.timeout_seconds ?? DEFAULT_SECONDS) * 1000,
  signaturesAtOnce: one.signatures_at_once ?? DEFAULT_AT_ONCE,
})

function settingsOf(name: string, one: SignerEntry, ca: string | undefined): SignerSettings {
  const common = commonOf(name, one)
  switch (one.type) {
    case 'aws_kms': {
      const { type, region, endpoint } = one
      return { ...common, type, region, ...(endpoint !== undefined && { endpoint }) }
    }
    case 'pkcs11': {
      const { type, module, token, pin_file: pinFile } = one
      return { ...common, type, module, token, pinFile }
    }
    case 'vault_transit':
      return vaultOf(name, one, ca)
  }
}

const vaultOf = (name: string, one: VaultEntry, ca: string | undefined): SignerSettings => ({
  ...{ ...commonOf(name, one), type: one.type, address: one.address },
  mount: one.mount ?? 'transit',
  ...(one.secrets && { secrets: one.secrets }),
  ...(one.namespace !== undefined && { namespace: one.namespace }),
  ...(ca !== undefined && { ca }),
  auth: authOf(one.auth),
})

function authOf(auth: VaultAuthEntry): VaultAuth {
  switch (auth.type) {
    case 'token_file':
      return { type: auth.type, tokenFile: auth.token_file }
    case 'app_role': {
      const { type, mount = MOUNTS[type], role_id: roleId, secret_id_file: secretIdFile } = auth
      return { type, mount, roleId, secretIdFile }
    }
    case 'jwt':
    case 'kubernetes': {
      const { type, mount = MOUNTS[type], role, token_file: tokenFile = SERVICE_ACCOUNT } = auth
      return { type, mount, role, tokenFile }
    }
    case 'certificate': {
      const { type, mount = MOUNTS[type], role, certificate_file, key_file: keyFile } = auth
      return {
        ...{ type, mount, certificateFile: certificate_file, keyFile },
        ...(role !== undefined && { role }),
      }
    }
  }
}

function isUsable(address: string): boolean {
  const url = URL.parse(address)
  const isOrigin = url !== null && [url.origin, `${url.origin}/`].includes(address.toLowerCase())
  if (!isOrigin) return false
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname))
}
