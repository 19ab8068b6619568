/** Keys that stay in AWS KMS, as moto answers for it, and what the operator reads when it does not sign. */
import { createServer } from 'node:http'
import { inspect } from 'node:util'
import { CreateKeyCommand, type CreateKeyCommandInput, KMSClient } from '@aws-sdk/client-kms'
import t, { type Test } from 'tap'
import { startSimulator } from '../../simulator/simulator.ts'
import { createAwsKms } from '../../src/signers/aws-kms.ts'
import { unlessProvided } from '../support/apt.ts'
import { startBroker } from '../support/broker.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { provideMoto, startMoto } from '../support/moto.ts'
import { expect } from '../support/rotatable.ts'
import { boundAt, boundTo } from './bound-world.ts'
import { signersFile } from './signing-world.ts'

t.setTimeout(60_000)
const skip = unlessProvided(provideMoto((line) => t.comment(line)))
const REGION = 'eu-central-1'
/** As the SDK finds them. Moto takes any. */
process.env.AWS_ACCESS_KEY_ID = 'AKIATESTTESTTEST'
process.env.AWS_SECRET_ACCESS_KEY = 'a secret of the test'

const RSA: CreateKeyCommandInput = { KeySpec: 'RSA_2048', KeyUsage: 'SIGN_VERIFY' }

t.test('a key in AWS KMS', { skip }, async (t) => {
  const moto = await startMoto(t)
  const kms = new KMSClient({ region: REGION, endpoint: moto.url })
  t.teardown(() => kms.destroy())
  const newKey = async (input: CreateKeyCommandInput) => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand(input))
    return KeyMetadata?.KeyId ?? ''
  }
  const simulator = await startSimulator()
  t.teardown(() => simulator.stop())
  const file = await signersFile(t.testdir({}), {
    kms: { type: 'aws_kms', region: REGION, endpoint: moto.url, keys: ['*'] },
  })
  const { call, logs } = await startBroker(t, {
    loginHosts: [simulator.origins.myDomain],
    env: { VALETKEY_SIGNERS: file },
  })
  const key = await newKey(RSA)
  const put = (credential: object, clientId?: string) =>
    call('PUT', '/integrations/kms', {
      body: {
        login_url: simulator.origins.myDomain,
        grant: {
          ...{ type: 'jwt_bearer', username: 'billing@acme.com' },
          ...(clientId !== undefined && { client_id: clientId }),
        },
        credential,
      },
      ...(clientId !== undefined && { headers: { 'if-match': '*' } }),
    })

  await t.test('signs assertions and its own certificate', async (t) => {
    const signer = { name: 'kms', key }
    await expect(201, put({ signer, generate: {} }))
    const path = '/integrations/kms/credentials'
    const [credential] = (await expect(200, call('GET', path))).body.items
    t.same(credential.signer, signer, 'it has no versions')
    const { pem } = credential.certificate
    const app = simulator.addJwtApp({ certificatePem: pem })
    await expect(200, put({ signer, certificate: pem }, app.clientId))
    await expect(200, call('GET', '/tokens/kms'))
    const body = { signer, generate: { new_version: true } }
    t.match(await call('POST', path, { body }), {
      status: 422,
      body: { detail: 'signer: The signer kms has no versions of a key' },
    })
    const deployment = { through: 'kms', app: 'Billing', rotate_every_days: 90 }
    const rotating = await call('PATCH', '/integrations/kms', {
      body: { deployment },
      headers: { 'if-match': '*', 'content-type': 'application/merge-patch+json' },
    })
    t.match(rotating, {
      status: 400,
      body: {
        detail:
          'body/deployment/rotate_every_days: the signer kms makes no new versions of its keys',
        remedy: /^Leave rotate_every_days out\. To rotate, make another key/,
      },
    })
  })

  await t.test('must be there, and be an RSA key for signatures', async (t) => {
    for (const [made, detail] of [
      [{ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' }, /it is no RSA key/],
      [{ KeySpec: 'RSA_2048', KeyUsage: 'ENCRYPT_DECRYPT' }, /it is no RSA key/],
      [undefined, /has no key \S+ in its region/],
    ] as const) {
      const named = made ? await newKey(made) : '11111111-1111-1111-1111-111111111111'
      const answer = await put({ signer: { name: 'kms', key: named }, generate: {} })
      t.match(answer, { status: 422, body: { detail, remedy: /^(Use|Name) / } })
    }
  })

  await t.test('signs the proofs of bound tokens, if it is of P-256', async (t) => {
    const bound = await boundAt({ simulator, call, name: 'bound' })
    const p256 = await newKey({ KeySpec: 'ECC_NIST_P256', KeyUsage: 'SIGN_VERIFY' })
    for (const wrong of [
      key,
      await newKey({ KeySpec: 'ECC_NIST_P384', KeyUsage: 'SIGN_VERIFY' }),
    ]) {
      t.match(await bound.put(boundTo({ name: 'kms', key: wrong })), {
        status: 422,
        body: { detail: /it is no P-256 key/, remedy: /the spec ECC_NIST_P256/ },
      })
    }
    const signer = { name: 'kms', key: p256 }
    t.match(await bound.put(boundTo(signer)), {
      status: 201,
      body: { dpop: { key_storage: { signer } } },
    })
    t.equal((await call('GET', '/tokens/bound')).status, 409)
    t.match(await bound.lease(), { bound: true })
    await bound.assertTaken(t)
    await expect(200, bound.prove(bound.key, 20))
  })

  await t.test('is missed when AWS is away, and a live lease is served', async (t) => {
    await lifeKnown(call, 'kms')
    await moto.stop()
    t.match((await call('GET', '/tokens/kms')).headers.get('cache-status'), 'hit')
    await expect(204, call('DELETE', '/tokens/kms'))
    t.match(await call('GET', '/tokens/kms'), {
      status: 503,
      body: { code: 'signer_unavailable', detail: /cannot be reached \(ECONNREFUSED\)/ },
    })
    t.notMatch(logs(), process.env.AWS_SECRET_ACCESS_KEY ?? '')
  })
})

/** Refusals that moto does not make, as the reference of the API has them. */
const REFUSALS = [
  ['AccessDeniedException', 400, 'signing_refused', /denies this service the key/],
  ['DisabledException', 400, 'signing_refused', /it is disabled or will be deleted/],
  ['KMSInvalidStateException', 400, 'signing_refused', /it is disabled or will be deleted/],
  ['ExpiredTokenException', 400, 'signing_refused', /does not accept the AWS credentials/],
  ['UnrecognizedClientException', 400, 'signing_refused', /does not accept the AWS credentials/],
  ['ThrottlingException', 400, 'signer_unavailable', /cannot be reached \(ThrottlingException\)/],
  ['KMSInternalException', 500, 'signer_unavailable', /cannot be reached \(KMSInternalException\)/],
  ['Planted3rdWord', 400, 'signer_unavailable', /cannot be reached \(unknown error\)/],
] as const

async function refusingKms(t: Test, kind: string, status: number): Promise<string> {
  const server = createServer((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' })
    response.end(JSON.stringify({ __type: kind, message: 'planted words' }))
  }).listen(0, '127.0.0.1')
  t.teardown(() => server.close())
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as { port: number }).port}`
}

for (const [kind, status, code, detail] of REFUSALS) {
  t.test(`AWS answers ${kind}`, async (t) => {
    const endpoint = await refusingKms(t, kind, status)
    const backend = createAwsKms({ name: 'kms', region: REGION, endpoint })
    t.teardown(() => backend.stop?.())
    const { signal } = new AbortController()
    const asked = backend.sign({ name: 'kms', key: 'k' }, Buffer.from('a'), signal)
    await t.rejects(asked, { code, detail })
    const error: Error = await asked.catch((one) => one)
    t.notMatch(inspect(error, { depth: 10 }), /planted/i)
  })
}
