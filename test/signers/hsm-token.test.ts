/** Sessions of a PKCS#11 token that is lost. The module is one of the test, for its faults. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { type Cryptoki, createTokens } from '../../src/signers/pkcs11/hsm-token.ts'
import { partOf } from '../support/part.ts'

t.test('a session that was in use while its token was lost is closed', async (t) => {
  const pinFile = join(t.testdir({}), 'pin')
  writeFileSync(pinFile, 'a pin of the test')
  const open = new Set<Buffer>()
  const cryptoki = partOf<Cryptoki>({
    C_Initialize: () => undefined,
    C_GetSlotList: () => [Buffer.from('slot')],
    C_GetTokenInfo: () => ({ label: 'token', flags: 0 }),
    C_GetMechanismList: () => [0x40],
    C_Login: () => undefined,
    C_OpenSession() {
      const session = Buffer.from('session')
      open.add(session)
      return session
    },
    C_CloseSession(session) {
      open.delete(session)
    },
  })
  const { use } = createTokens(cryptoki)
  const place = { token: 'token', pinFile }
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
