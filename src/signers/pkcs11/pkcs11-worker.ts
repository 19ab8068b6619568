/** Talks to one PKCS#11 module, in a process of its own, because most of its functions wait for the HSM, and some do not return. No PIN leaves this process. */
import type { HsmAnswer, HsmRequest, HsmResult } from './hsm.ts'
import type { HsmRefusal } from './hsm-faults.ts'
import { createHsmKeys } from './hsm-keys.ts'
import { type Cryptoki, createTokens, HsmError, returnValueOf } from './hsm-token.ts'

const [, , module = ''] = process.argv

type Loaded = ReturnType<typeof createTokens> & ReturnType<typeof createHsmKeys>

let known: Loaded | undefined

async function loaded(): Promise<Loaded> {
  if (known) return known
  const cryptoki = await load()
  known ??= { ...createTokens(cryptoki), ...createHsmKeys(cryptoki) }
  return known
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

async function answerTo({ place, key, algorithm, data }: HsmRequest): Promise<HsmResult> {
  const { use, sign, publicKey } = await loaded()
  return use(place, async (session, token) => {
    const named = { label: key, algorithm }
    if (data === undefined) return publicKey(session, token, named)
    return { signature: await sign(session, token, named, data) }
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
