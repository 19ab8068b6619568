/** The life of a broker whose key is in OpenBao: logins that work and that do not, signatures, refusals. */
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Test } from 'tap'
import { type Canary, canary } from '../support/canaries.ts'
import { startBao, withTransit } from '../support/openbao.ts'
import type { createWitness, Scene } from './secret-journeys.ts'

interface SignerStage {
  /** The file of `VALETKEY_SIGNERS`. */
  readonly file: string
  readonly canaries: readonly Canary[]
  run(call: ReturnType<typeof createWitness>, scene: Pick<Scene, 'simulator'>): Promise<void>
}

export async function prepareSigners(t: Test): Promise<SignerStage> {
  const bao = await startBao(t)
  await withTransit(bao, ['valetkey-kept'])
  const folder = t.testdir({})
  const tokenFile = join(folder, 'token')
  const secretIdFile = join(folder, 'secret-id')
  const token = await bao.tokenOf('valetkey')
  await writeFile(tokenFile, token)
  await bao.call('POST', 'sys/auth/approle', { type: 'approle' })
  const role = { token_policies: 'valetkey', token_ttl: '60s' }
  await bao.call('POST', 'auth/approle/role/valetkey', role)
  const { role_id: roleId } = await bao.call('GET', 'auth/approle/role/valetkey/role-id')
  const { secret_id: secretId } = await bao.call('POST', 'auth/approle/role/valetkey/secret-id')
  await writeFile(secretIdFile, String(secretId))
  const common = { type: 'vault_transit', address: bao.url, keys: ['valetkey-*'] }
  const byRole = { type: 'app_role', role_id: roleId, secret_id_file: secretIdFile }
  const signers = {
    filed: { ...common, auth: { type: 'token_file', token_file: tokenFile } },
    role: { ...common, auth: byRole },
    // OpenBao says in its refusals what it was sent.
    refused: { ...common, auth: { ...byRole, role_id: 'none' } },
    away: { ...common, address: 'http://127.0.0.1:1', auth: byRole },
  }
  const file = join(folder, 'signers.yaml')
  await writeFile(file, JSON.stringify({ signers }))
  return {
    file,
    canaries: [
      canary('token of the broker at the vault', token),
      canary('root token of the vault', bao.rootToken),
      canary('secret id', readFileSync(secretIdFile, 'utf8')),
    ],
    async run(call, { simulator }) {
      for (const name of Object.keys(signers)) {
        const credential = { signer: { name, key: 'valetkey-kept' }, generate: {} }
        const grant = { type: 'jwt_bearer', username: 'billing@acme.com' }
        const body = { login_url: simulator.origins.myDomain, grant, credential }
        const { status } = await call('PUT', `/integrations/kept-${name}`, { body })
        const isGood = name === 'filed' || name === 'role'
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
