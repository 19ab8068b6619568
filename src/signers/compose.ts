/** Composes the signers of the file of `VALETKEY_SIGNERS`. */
import { readFile } from 'node:fs/promises'
import { createOutbound, type Outbound } from '../http/outbound/outbound.ts'
import { createOutageLogger } from '../runtime/outage-logger.ts'
import type { Log, Runtime } from '../runtime/runtime.ts'
import { createAwsKms } from './aws-kms.ts'
import { createHsm, type Hsm } from './pkcs11/hsm.ts'
import { createPkcs11 } from './pkcs11/pkcs11.ts'
import type { SigningBackend } from './remote-key.ts'
import type { SignerSettings, VaultSettings } from './signer-settings.ts'
import { createSigners, type SignerMeter, type Signers } from './signers.ts'
import { createVaultClient } from './vault/vault-client.ts'
import { createVaultKv } from './vault/vault-kv.ts'
import { type ClientPair, createVaultLogin } from './vault/vault-login.ts'
import { createVaultSession } from './vault/vault-session.ts'
import { createVaultTransit } from './vault/vault-transit.ts'
import { createKmsWrapping } from './wrapping/kms-wrapping.ts'
import { createVaultWrapping } from './wrapping/vault-wrapping.ts'
import { createWrappers, type Wrappers, type WrappingSettings } from './wrapping/wrapping.ts'

interface SignersComposition {
  readonly settings: readonly SignerSettings[]
  /** Default: counts nothing. */
  readonly meter?: SignerMeter
  readonly runtime: Pick<Runtime, 'monotonic' | 'sleep'>
  readonly log: Pick<Log, 'info' | 'warn'>
}

export function composeSigners({
  settings,
  meter = { signed: () => undefined },
  runtime,
  log,
}: SignersComposition): Signers {
  const { monotonic } = runtime
  /** By module. */
  const hsms = new Map<string, Hsm>()
  const hsmOf = (module: string): Hsm => {
    const hsm = hsms.get(module) ?? createHsm(module, { monotonic, log })
    hsms.set(module, hsm)
    return hsm
  }
  const backendOf = (one: SignerSettings): SigningBackend => {
    switch (one.type) {
      case 'aws_kms':
        return createAwsKms(one)
      case 'pkcs11':
        return createPkcs11(one, hsmOf(one.module))
      case 'vault_transit':
        return vaultBackend(one, runtime, log)
    }
  }
  return createSigners({
    backendOf,
    ...{ settings, monotonic, meter, log },
  })
}

/** Wraps by the keys that `keyring_keys` of the file names. */
export function composeWrappers({
  settings,
  runtime,
  log,
}: {
  readonly settings: readonly WrappingSettings[]
  readonly runtime: SignersComposition['runtime']
  readonly log: SignersComposition['log']
}): Wrappers {
  return createWrappers(settings, (signer) =>
    signer.type === 'aws_kms'
      ? createKmsWrapping(signer)
      : createVaultWrapping({ settings: signer, ...vaultConnection(signer, runtime, log) }),
  )
}

function vaultBackend(
  settings: VaultSettings,
  runtime: SignersComposition['runtime'],
  log: SignersComposition['log'],
): SigningBackend {
  const connection = vaultConnection(settings, runtime, log)
  return {
    ...createVaultTransit({ settings, ...connection }),
    read: createVaultKv({ settings, ...connection }),
  }
}

/** The way to Vault, and the login there. */
function vaultConnection(
  settings: VaultSettings,
  runtime: SignersComposition['runtime'],
  log: SignersComposition['log'],
) {
  const { name, address, namespace, auth, ca, timeoutMs } = settings
  const { origin } = new URL(address)
  const outboundWith = (pair?: ClientPair): Outbound =>
    createOutbound({
      // The operator names this address. It may be a private one, and no proxy leads there.
      hosts: { allowsPrivate: (url) => url.origin === origin },
      deadlineMs: timeoutMs,
      tls: { ...(ca !== undefined && { ca }), ...pair },
    })
  const outbound = outboundWith()
  const client = createVaultClient({ name, address: origin, namespace })
  const login = createVaultLogin({
    ...{ name, auth, client, outbound, outboundWith },
    readFile: (path) => readFile(path, 'utf8'),
  })
  const session = createVaultSession({
    ...{ login, client, outbound, runtime },
    ...{ settings, log },
    outage: createOutageLogger(log, `the login at the signer ${name} fails`, runtime),
  })
  return { client, outbound, session }
}
