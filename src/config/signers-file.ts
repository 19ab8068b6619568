/** The file of `VALETKEY_SIGNERS`: the services that sign with keys that the broker does not have, and that wrap the keys of its keyring. */
import { X509Certificate } from 'node:crypto'
import { Ajv } from 'ajv'
import { type Static, Type } from 'typebox'
import { TEXT_FORMS } from '../http/text-forms.ts'
import { once } from '../runtime/once.ts'
import type { SignerSettings, VaultAuth } from '../signers/signer-settings.ts'
import type { WrappingSettings } from '../signers/wrapping/wrapping.ts'
import { ConfigError } from './config-error.ts'
import type { ReadFile } from './loader.ts'
import { readYaml } from './yaml-file.ts'

const strict = { additionalProperties: false }
const Text = Type.String({ minLength: 1, maxLength: 512 })
const Path = Type.String({ minLength: 1, maxLength: 4096 })
/** Of a secrets engine or an auth method. No part may be `..`, because it becomes part of a URL. */
const Mount = Type.String({
  pattern: '^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$',
  $comment: 'the path of a mount without slashes at its ends',
  maxLength: 256,
})
const Globs = Type.Array(Text, { minItems: 1, maxItems: 256 })

const auths = [
  Type.Object({ type: Type.Literal('token_file'), token_file: Path }, strict),
  Type.Object(
    {
      type: Type.Literal('app_role'),
      mount: Type.Optional(Mount),
      role_id: Text,
      secret_id_file: Path,
    },
    strict,
  ),
  Type.Object(
    { type: Type.Literal('jwt'), mount: Type.Optional(Mount), role: Text, token_file: Path },
    strict,
  ),
  Type.Object(
    {
      type: Type.Literal('kubernetes'),
      mount: Type.Optional(Mount),
      role: Text,
      token_file: Type.Optional(Path),
    },
    strict,
  ),
  Type.Object(
    {
      type: Type.Literal('certificate'),
      mount: Type.Optional(Mount),
      role: Type.Optional(Text),
      certificate_file: Path,
      key_file: Path,
    },
    strict,
  ),
] as const

const Auth = Type.Unsafe<Static<(typeof auths)[number]>>({
  type: 'object',
  required: ['type'],
  discriminator: { propertyName: 'type' },
  oneOf: auths,
})

const common = {
  keys: Type.Optional(Globs),
  integrations: Type.Optional(Globs),
  timeout_seconds: Type.Optional(Type.Number({ minimum: 0.1, maximum: 3 })),
  signatures_at_once: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
}

const Vault = Type.Object(
  {
    type: Type.Literal('vault_transit'),
    address: Text,
    mount: Type.Optional(Mount),
    namespace: Type.Optional(Text),
    ca_file: Type.Optional(Path),
    auth: Auth,
    ...common,
  },
  strict,
)

const Kms = Type.Object(
  {
    type: Type.Literal('aws_kms'),
    region: Type.String({
      pattern: '^[a-z]{2}[a-z0-9-]{1,40}$',
      $comment: 'a region, as in eu-central-1',
    }),
    endpoint: Type.Optional(Text),
    ...common,
  },
  strict,
)

type Entry = Static<typeof Vault> | Static<typeof Kms>

const KeyringKey = Type.Object({ signer: Type.String(TEXT_FORMS.signer_name), key: Text }, strict)

const File = Type.Object(
  {
    keyring_keys: Type.Optional(
      Type.Unsafe<Readonly<Record<string, Static<typeof KeyringKey>>>>({
        type: 'object',
        propertyNames: TEXT_FORMS.signer_name,
        additionalProperties: KeyringKey,
      }),
    ),
    signers: Type.Unsafe<Readonly<Record<string, Entry>>>({
      type: 'object',
      propertyNames: TEXT_FORMS.signer_name,
      additionalProperties: {
        type: 'object',
        required: ['type'],
        discriminator: { propertyName: 'type' },
        oneOf: [Vault, Kms],
      },
    }),
  },
  strict,
)

const validator = once(() =>
  new Ajv({ allErrors: true, discriminator: true, strict: false, verbose: true }).compile(File),
)

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
  const validate = validator()
  if (!validate(content)) throw new ConfigError(mistakesIn(validate.errors, []))
  const { signers, keyring_keys: keys = {} } = content as Static<typeof File>
  const wrong = Object.entries(signers).flatMap(([name, one]) => {
    const member = one.type === 'aws_kms' ? 'endpoint' : 'address'
    const origin = one.type === 'aws_kms' ? one.endpoint : one.address
    if (origin === undefined || isUsable(origin)) return []
    const path = ['signers', name, member]
    const what = 'must be an https origin without a path (http on loopback only)'
    return [`line ${lineOf(path)}: ${path.join('.')} ${what}`]
  })
  const cas = Object.entries(signers).flatMap(([name, one]) => {
    if (one.type === 'aws_kms' || one.ca_file === undefined) return []
    const path = ['signers', name, 'ca_file']
    const { ca, mistake } = readCa(one.ca_file, readFile)
    if (mistake !== undefined) wrong.push(`line ${lineOf(path)}: ${path.join('.')} ${mistake}`)
    return ca === undefined ? [] : [[name, ca] as const]
  })
  for (const [name, { signer }] of Object.entries(keys)) {
    if (Object.hasOwn(signers, signer)) continue
    const path = ['keyring_keys', name, 'signer']
    wrong.push(`line ${lineOf(path)}: ${path.join('.')} is no name of signers`)
  }
  if (wrong.length > 0) throw new ConfigError(wrong)
  const caOf = new Map(cas)
  const all = Object.entries(signers).map(([name, one]) => settingsOf(name, one, caOf.get(name)))
  return {
    signers: all,
    keyringKeys: Object.entries(keys).flatMap(([name, { signer: of, key }]) =>
      all.flatMap((signer) => (signer.name === of ? [{ name, signer, key }] : [])),
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

const commonOf = (name: string, one: Entry) => ({
  ...{ name, keys: one.keys ?? [] },
  integrations: one.integrations ?? ['*'],
  timeoutMs: (one.timeout_seconds ?? DEFAULT_SECONDS) * 1000,
  signaturesAtOnce: one.signatures_at_once ?? DEFAULT_AT_ONCE,
})

const settingsOf = (name: string, one: Entry, ca: string | undefined): SignerSettings =>
  one.type === 'aws_kms'
    ? {
        ...{ ...commonOf(name, one), type: one.type, region: one.region },
        ...(one.endpoint !== undefined && { endpoint: one.endpoint }),
      }
    : vaultOf(name, one, ca)

const vaultOf = (
  name: string,
  one: Static<typeof Vault>,
  ca: string | undefined,
): SignerSettings => ({
  ...{ ...commonOf(name, one), type: one.type, address: one.address },
  mount: one.mount ?? 'transit',
  ...(one.namespace !== undefined && { namespace: one.namespace }),
  ...(ca !== undefined && { ca }),
  auth: authOf(one.auth),
})

function authOf(auth: Static<typeof Auth>): VaultAuth {
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
