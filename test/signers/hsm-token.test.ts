/** Logins at a PKCS#11 token, and sessions that are lost. The module is one of the test, for its faults. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { problemOf } from '../../src/signers/pkcs11/hsm-faults.ts'
import { type Cryptoki, createTokens, HsmError } from '../../src/signers/pkcs11/hsm-token.ts'
import { partOf } from '../support/part.ts'

const LOCKED = 0x40000

/** A token with one slot, which hashes. */
const tokenOf = (members: Partial<Cryptoki>) =>
  createTokens(
    partOf<Cryptoki>({
      C_Initialize: () => undefined,
      C_GetSlotList: () => [Buffer.from('slot')],
      C_GetTokenInfo: () => ({ label: 'token', flags: 0 }),
      C_GetMechanismList: () => [0x40],
      C_Login: () => undefined,
      C_OpenSession: () => Buffer.from('session'),
      C_CloseSession: () => undefined,
      ...members,
    }),
  )

function placeOf(t: Test) {
  const pinFile = join(t.testdir({}), 'pin')
  writeFileSync(pinFile, 'a pin of the test')
  return { token: 'token', pinFile }
}

t.test('a PIN that is locked is not tried, and the operator reads what unlocks it', async (t) => {
  const place = placeOf(t)
  const logins: string[] = []
  const known = tokenOf({
    C_GetTokenInfo: () => ({ label: 'token', flags: LOCKED }),
    C_Login: () => void logins.push('login'),
  })
  const told = tokenOf({
    C_Login() {
      throw new Error('CKR_PIN_LOCKED')
    },
  })
  for (const [{ use }, code] of [
    [known, ''],
    [told, ' (CKR_PIN_LOCKED)'],
  ] as const) {
    const error = await use(place, async () => undefined).catch((one: unknown) => one)
    if (!(error instanceof HsmError)) throw error
    const named = { ...place, name: 'hsm', module: '/hsm.so' }
    t.match(problemOf(named, { key: 'billing', algorithm: 'RS256' }, error.refusal.trouble), {
      code: 'signing_refused',
      detail: `The signer hsm has locked the PIN of the token token${code}`,
      remedy: /^Unlock the token with the PIN of its security officer/,
    })
  }
  t.same(logins, [])
})

t.test('a session that was in use while its token was lost is closed', async (t) => {
  const place = placeOf(t)
  const open = new Set<Buffer>()
  const { use } = tokenOf({
    C_OpenSession() {
      const session = Buffer.from('session')
      open.add(session)
      return session
    },
    C_CloseSession(session) {
      open.delete(session)
    },
  })
  const slow = Promise.withResolvers<void>()
  const inUse = use(place, () => slow.promise)
  let tries = 0
  await use(place, async () => {
    tries += 1
    if (tries === 1) throw new Error('CKR_DEVICE_ERROR')
  })
  t.equal(tries, 2, 'it is opened again')
  slow.resolve()
  await inUse
  t.equal(open.size, 2, 'the one that keeps the login, and the one that is free')
})
