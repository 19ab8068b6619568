/** Talks to one PKCS#11 module, in a process of its own, because most of its functions wait for the HSM, and some do not return. No PIN leaves this process. */
import { createHash } from 'node:crypto'
import type { HsmAnswer, HsmRequest, HsmResult } from './hsm.ts'
import type { HsmRefusal } from './hsm-faults.ts'
import { type Cryptoki, createTokens, HsmError, returnValueOf } from './hsm-token.ts'

const [, , module = ''] = process.argv

/** DigestInfo of SHA-256 (RFC 8017, section 9.2), before the digest. */
const DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex')

let tokens: ReturnType<typeof createTokens> | undefined

async function loaded() {
  tokens ??= createTokens(await load())
  return tokens
}

async function load(): Promise<Cryptoki> {
  const cryptoki = await newCryptoki()
  try {
    cryptoki.load(module)
  } catch {
    // Its words come from the loader of the system.
    throw new HsmError('no_module')
  }
  return cryptoki
}

async function newCryptoki(): Promise<Cryptoki> {
  try {
    const { default: pkcs11js } = await import('pkcs11js')
    return new pkcs11js.PKCS11()
  } catch {
    throw new HsmError('no_package')
  }
}

async function answerTo({ place, key, data }: HsmRequest): Promise<HsmResult> {
  const { use, keyOf, publicParts, sign } = await loaded()
  return use(place, async (session, token) => {
    const handle = keyOf(session, token, key)
    if (data === undefined) return publicParts(session, handle, key)
    const input = token.hashes
      ? Buffer.from(data)
      : Buffer.concat([DIGEST_INFO, createHash('sha256').update(data).digest()])
    return { signature: await sign(session, token, handle, input) }
  })
}

function refusalOf(error: unknown): HsmRefusal {
  if (error instanceof HsmError) return error.refusal
  const code = returnValueOf(error)
  return { trouble: { fault: 'failed', ...(code !== undefined && { code }) } }
}

const answer = (one: HsmAnswer) => process.send?.(one)

process.on('message', async (request: HsmRequest) => {
  const { id } = request
  try {
    answer({ id, result: await answerTo(request) })
  } catch (error) {
    answer({ id, ...refusalOf(error) })
  }
})
// The service ends this process. Signals of a terminal or a container are for the service, which still signs then.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('disconnect', () => process.exit())
