/** The life of a broker whose keys are in OpenBao and in an HSM: logins that work and that do not, signatures, refusals. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { Environment } from '../../src/config/config.ts'
import { KEY, plainKey, WRAPPING_POLICY } from '../keyring/wrapping-world.ts'
import { type Canary, canary, keyCanaries } from '../support/canaries.ts'
import { startBao, withSecrets, withTransit } from '../support/openbao.ts'
import { newSigningKey } from '../support/signing-key.ts'
import { linkPackage, newSoftHsm, SOFTHSM_MODULE } from '../support/softhsm.ts'
import type { createWitness, Scene } from './secret-journeys.ts'

interface SignerStage {
  /** The file of `VALETKEY_SIGNERS`. */
  readonly file: string
  /** What the broker needs besides. */
  readonly env: Environment
  readonly canaries: readonly Canary[]
  /** The value of `VALETKEY_KEYRING` for a keyring in OpenBao. */
  readonly keyring: string
  /** The key that such a keyring seals with. */
  sealingKey(redisUrl: string): Promise<string>
  run(call: ReturnType<typeof createWitness>, scene: Pick<Scene, 'simulator'>): Promise<void>
}

/** Where SoftHSM is not to be had, its part is left out. */
export async function prepareSigners(t: Test, isHsmThere: boolean): Promise<SignerStage> {
  const bao = await startBao(t)
  await withTransit(bao, ['valetkey-kept'])
  const secrets = await withSecrets(bao)
  const clientSecrets = ['in-a-vault', 'changed-in-a-vault'].map(
    (text) => `${text}-${crypto.randomUUID()}`,
  )
  const { privateKey, certificate } = await newSigningKey('kept')
  await secrets.write('secret', { client_secret: clientSecrets[0] })
  await secrets.write1('key', { key: privateKey, certificate })
  const folder = t.testdir({})
  const tokenFile = join(folder, 'token')
  const secretIdFile = join(folder, 'secret-id')
  const token = await bao.tokenOf('valetkey', { policies: ['valetkey', 'valetkey-secrets'] })
  await writeFile(tokenFile, token)
  await bao.call('POST', 'sys/auth/approle', { type: 'approle' })
  const role = { token_policies: 'valetkey', token_ttl: '60s' }
  await bao.call('POST', 'auth/approle/role/valetkey', role)
  const { role_id: roleId } = await bao.call('GET', 'auth/approle/role/valetkey/role-id')
  const { secret_id: secretId } = await bao.call('POST', 'auth/approle/role/valetkey/secret-id')
  await writeFile(secretIdFile, String(secretId))
  await bao.call('PUT', 'sys/policies/acl/keyring', { policy: WRAPPING_POLICY })
  await bao.call('POST', `transit/keys/${KEY}`, {})
  const wrappingToken = await bao.tokenOf('keyring')
  const wrappingFile = join(folder, 'wrapping-token')
  await writeFile(wrappingFile, wrappingToken)
  const hsm = isHsmThere ? await prepareHsm(folder) : undefined
  const common = { type: 'vault_transit', address: bao.url, keys: ['valetkey-*'] }
  const byRole = { type: 'app_role', role_id: roleId, secret_id_file: secretIdFile }
  const signers = {
    filed: {
      ...{ ...common, secrets: ['*'] },
      auth: { type: 'token_file', token_file: tokenFile },
    },
    role: { ...common, auth: byRole },
    // OpenBao says in its refusals what it was sent.
    refused: { ...common, auth: { ...byRole, role_id: 'none' } },
    away: { ...common, address: 'http://127.0.0.1:1', auth: byRole },
    ...hsm?.signers,
  }
  const wrapping = {
    ...{ type: 'vault_transit', address: bao.url },
    auth: { type: 'token_file', token_file: wrappingFile },
  }
  const file = join(folder, 'signers.yaml')
  await writeFile(
    file,
    JSON.stringify({
      signers: { ...signers, wrapping },
      keyring_keys: { main: { signer: 'wrapping', key: KEY } },
    }),
  )
  return {
    file,
    env: hsm?.env ?? {},
    keyring: 'vault-transit:main',
    sealingKey: (redisUrl) => plainKey({ bao }, redisUrl),
    canaries: [
      ...(hsm?.canaries ?? []),
      canary('token of the keyring at the vault', wrappingToken),
      canary('token of the broker at the vault', token),
      canary('root token of the vault', bao.rootToken),
      canary('secret id', readFileSync(secretIdFile, 'utf8')),
      ...clientSecrets.map((secret) => canary('client secret in a vault', secret)),
      ...keyCanaries('private key in a vault', privateKey),
    ],
    async run(call, { simulator }) {
      for (const name of Object.keys(signers)) {
        const credential = { signer: { name, key: 'valetkey-kept' }, generate: {} }
        const grant = { type: 'jwt_bearer', username: 'billing@acme.com' }
        const body = { login_url: simulator.origins.myDomain, grant, credential }
        const { status } = await call('PUT', `/integrations/kept-${name}`, { body })
        const isGood = ['filed', 'role', 'hsm'].includes(name)
        if ((status === 201) !== isGood) throw new Error(`${name}: ${status}`)
        if (!isGood) continue
        const list = await call('GET', `/integrations/kept-${name}/credentials`)
        const certificatePem = list.body.items[0].certificate.pem
        const app = simulator.addJwtApp({ certificatePem })
        const bound = {
          ...body,
          grant: { ...grant, client_id: app.clientId },
          credential: undefined,
        }
        await call('PUT', `/integrations/kept-${name}`, {
          body: bound,
          headers: { 'if-match': '*' },
        })
        const minted = await call('GET', `/tokens/kept-${name}`)
        if (minted.status !== 200) throw new Error(`${name}: ${minted.status}`)
      }
      await runSecrets(call, simulator.origins.myDomain, certificate)
      await secrets.write('secret', { client_secret: clientSecrets[1] })
      await call('DELETE', '/tokens/vault-secret')
      await call('GET', '/tokens/vault-secret')
      await writeFile(tokenFile, `${token}-that-is-none`)
      await bao.revokeTokens('valetkey')
      for (const name of Object.keys(signers)) {
        await call('DELETE', `/tokens/kept-${name}`)
        await call('GET', `/tokens/kept-${name}`)
        await call('POST', `/integrations/kept-${name}/test`)
      }
      await bao.call('PUT', 'sys/seal', {})
      await call('DELETE', '/tokens/kept-role')
      await call('GET', '/tokens/kept-role')
    },
  }
}

/** A token with a key, and a signer whose PIN is wrong. */
async function prepareHsm(folder: string) {
  linkPackage()
  const hsm = newSoftHsm(folder)
  hsm.newToken('valetkey')
  hsm.newKey('valetkey', 'valetkey-kept')
  const wrong = `wrong-${hsm.pin}`
  const [file, wrongFile] = [join(folder, 'pin'), join(folder, 'wrong-pin')]
  await writeFile(file, hsm.pin)
  await writeFile(wrongFile, wrong)
  const common = { type: 'pkcs11', token: 'valetkey', keys: ['valetkey-*'] }
  return {
    env: { SOFTHSM2_CONF: hsm.config },
    canaries: [canary('PIN', hsm.pin), canary('wrong PIN', wrong)],
    signers: {
      hsm: { ...common, module: SOFTHSM_MODULE, pin_file: file },
      // Who shares a module shares its login.
      'hsm-wrong': { ...common, module: `/${SOFTHSM_MODULE}`, pin_file: wrongFile },
    },
  }
}

/** Integrations whose secrets are in the vault: good ones, and one that is no key. Salesforce knows none of them. */
async function runSecrets(
  call: ReturnType<typeof createWitness>,
  loginUrl: string,
  certificate: string,
): Promise<void> {
  const at = (path: string, field: string) => ({ vault: { name: 'filed', path, field } })
  const signed = { type: 'jwt_bearer', client_id: '3MVG9.vault', username: 'billing@acme.com' }
  const secretive = { type: 'client_credentials', client_id: '3MVG9.vault' }
  const secret = at('secret/data/valetkey/secret', 'client_secret')
  for (const [name, grant, credential, expected] of [
    ['secret', secretive, { client_secret: secret }, 201],
    ['key', signed, { private_key: at('kv/valetkey/key', 'key'), certificate }, 201],
    ['wrong', signed, { private_key: secret }, 422],
    ['certificate', signed, { private_key: at('kv/valetkey/key', 'certificate') }, 422],
  ] as const) {
    const body = { login_url: loginUrl, grant, credential }
    const { status } = await call('PUT', `/integrations/vault-${name}`, { body })
    if (status !== expected) throw new Error(`${name}: ${status}`)
    await call('GET', `/integrations/vault-${name}/credentials`)
    await call('GET', `/tokens/vault-${name}`)
    await call('POST', `/integrations/vault-${name}/test`)
  }
}
