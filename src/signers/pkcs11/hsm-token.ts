/** The tokens of one PKCS#11 module: found, logged in, and used by sessions that are opened again when they are lost. */
import { readFileSync, statSync } from 'node:fs'
import type pkcs11js from 'pkcs11js'
import type { HsmFault, HsmRefusal } from './hsm-faults.ts'

export type Cryptoki = InstanceType<(typeof pkcs11js)['PKCS11']>

export type Handle = ReturnType<Cryptoki['C_OpenSession']>

/** Numbers of the standard (PKCS #11 2.40). */
const CKF = { osLocking: 2, serialSession: 4, pinLocked: 0x40000 }
const CKU_USER = 1

/** A session, the token, or the login is gone. A new session may work. */
const LOST: ReadonlySet<string> = new Set([
  ...['CKR_SESSION_HANDLE_INVALID', 'CKR_SESSION_CLOSED', 'CKR_USER_NOT_LOGGED_IN'],
  ...['CKR_DEVICE_REMOVED', 'CKR_DEVICE_ERROR', 'CKR_TOKEN_NOT_PRESENT', 'CKR_SLOT_ID_INVALID'],
  ...['CKR_CRYPTOKI_NOT_INITIALIZED', 'CKR_KEY_HANDLE_INVALID', 'CKR_OBJECT_HANDLE_INVALID'],
  ...['CKR_GENERAL_ERROR', 'CKR_TOKEN_NOT_RECOGNIZED'],
])
const PIN_WRONG = ['CKR_PIN_INCORRECT', 'CKR_PIN_INVALID', 'CKR_PIN_LEN_RANGE', 'CKR_PIN_EXPIRED']

export class HsmError extends Error {
  readonly refusal: HsmRefusal

  constructor(fault: HsmFault, code?: string, refusedPin?: HsmRefusal['refusedPin']) {
    super(fault)
    this.refusal = {
      trouble: { fault, ...(code !== undefined && { code }) },
      ...(refusedPin && { refusedPin }),
    }
  }
}

export interface TokenPlace {
  /** Its label. */
  readonly token: string
  readonly pinFile: string
  /** State of that file when a former process tried its PIN, and the token refused it. */
  readonly refusedPin?: string
}

export interface OpenToken {
  readonly slot: Handle
  /** Keeps the login, because it ends with the last session. */
  readonly first: Handle
  readonly free: Handle[]
  /** What was found, by the name that its finder gives it. */
  readonly keys: Map<string, Handle>
  readonly mechanisms: ReadonlySet<number>
}

/** The name of a return value. Undefined: the error is of something else. */
export function returnValueOf(error: unknown): string | undefined {
  const { message } = error as { message?: unknown }
  return typeof message === 'string' && /^CKR_[A-Z0-9_]{2,60}$/.test(message) ? message : undefined
}

export function createTokens(cryptoki: Cryptoki) {
  const tokens = new Map<string, OpenToken>()
  /** By label of the token: the state of the file with a PIN that it refused. */
  const refusedPins = new Map<string, string>()

  const initialize = () => {
    try {
      cryptoki.C_Initialize({ flags: CKF.osLocking })
    } catch (error) {
      if (returnValueOf(error) !== 'CKR_CRYPTOKI_ALREADY_INITIALIZED') throw error
    }
  }

  const slotsOf = (token: string): readonly Handle[] =>
    cryptoki
      .C_GetSlotList(true)
      .filter((slot) => labelOf(cryptoki.C_GetTokenInfo(slot).label) === token)

  /** A module lists a token that came later only after it was initialized again. */
  const findSlot = (token: string): Handle => {
    initialize()
    let found = attempt(() => slotsOf(token)) ?? []
    if (found.length === 0 && tokens.size === 0) {
      attempt(() => cryptoki.C_Finalize())
      initialize()
      found = slotsOf(token)
    }
    const [slot, another] = found
    if (!slot) throw new HsmError('no_token')
    if (another) throw new HsmError('many_tokens')
    return slot
  }

  const logIn = (session: Handle, slot: Handle, { token, pinFile, refusedPin }: TokenPlace) => {
    const { pin, state } = pinIn(pinFile)
    if ((refusedPins.get(token) ?? refusedPin) === state) throw new HsmError('pin_wrong')
    if ((cryptoki.C_GetTokenInfo(slot).flags & CKF.pinLocked) !== 0)
      throw new HsmError('pin_locked')
    try {
      cryptoki.C_Login(session, CKU_USER, pin)
    } catch (error) {
      const code = returnValueOf(error) ?? ''
      if (code === 'CKR_USER_ALREADY_LOGGED_IN') return
      if (code === 'CKR_PIN_LOCKED') throw new HsmError('pin_locked', code)
      if (!PIN_WRONG.includes(code)) throw error
      refusedPins.set(token, state)
      throw new HsmError('pin_wrong', code, { token, state })
    }
  }

  const open = (place: TokenPlace): OpenToken => {
    const slot = findSlot(place.token)
    const first = cryptoki.C_OpenSession(slot, CKF.serialSession)
    try {
      logIn(first, slot, place)
      const mechanisms = new Set(cryptoki.C_GetMechanismList(slot))
      return { slot, first, free: [], keys: new Map(), mechanisms }
    } catch (error) {
      attempt(() => cryptoki.C_CloseSession(first))
      throw error
    }
  }

  const opened = (place: TokenPlace): OpenToken => {
    const found = tokens.get(place.token) ?? open(place)
    tokens.set(place.token, found)
    return found
  }

  /** Not if another request opened it again meanwhile. */
  const drop = (name: string, token: OpenToken) => {
    if (tokens.get(name) === token) tokens.delete(name)
    for (const session of [token.first, ...token.free]) {
      attempt(() => cryptoki.C_CloseSession(session))
    }
  }

  const once = async <Result>(
    { token: name }: TokenPlace,
    token: OpenToken,
    work: (session: Handle, token: OpenToken) => Promise<Result>,
  ): Promise<Result> => {
    try {
      const session = token.free.pop() ?? cryptoki.C_OpenSession(token.slot, CKF.serialSession)
      try {
        const result = await work(session, token)
        if (tokens.get(name) === token) token.free.push(session)
        // The token was dropped meanwhile, and its other sessions were closed.
        else attempt(() => cryptoki.C_CloseSession(session))
        return result
      } catch (error) {
        attempt(() => cryptoki.C_CloseSession(session))
        throw error
      }
    } catch (error) {
      if (LOST.has(returnValueOf(error) ?? '')) drop(name, token)
      throw error
    }
  }

  return {
    /** A lost session is opened again once. Throws `HsmError`, and errors of the module. */
    async use<Result>(
      place: TokenPlace,
      work: (session: Handle, token: OpenToken) => Promise<Result>,
    ): Promise<Result> {
      try {
        return await once(place, opened(place), work)
      } catch (error) {
        if (!LOST.has(returnValueOf(error) ?? '')) throw error
        return once(place, opened(place), work)
      }
    },
  }
}

/** Padded with blanks in the standard. */
const labelOf = (text: string): string => text.replace(/[\0 ]+$/, '')

function pinIn(path: string): { readonly pin: string; readonly state: string } {
  try {
    // Before the PIN is read: who writes meanwhile has it tried once more, and nothing is missed.
    const { ino, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    const pin = readFileSync(path, 'utf8').replace(/[\r\n]+$/, '')
    if (pin !== '') return { pin, state: [ino, mtimeNs, ctimeNs].join(':') }
  } catch (error) {
    throw new HsmError('no_pin_file', (error as NodeJS.ErrnoException).code)
  }
  throw new HsmError('no_pin_file')
}

/** For a step that may fail where another one says why. */
export function attempt<Result>(work: () => Result): Result | undefined {
  try {
    return work()
  } catch {
    return undefined
  }
}
