/** Authenticates JWTs of configured issuers. */
import { hash } from 'node:crypto'
import { errors, type JWTPayload, jwtVerify } from 'jose'
import { BrokerError } from '../../errors/errors.ts'
import type { CallerEntry, IssuerSettings } from '../caller-entry.ts'
import type { Principal } from '../policy.ts'
import {
  type Authenticator,
  type Credentials,
  type RefusalCode,
  refusedBearer,
} from './authenticator.ts'
import { type DeclaredCaller, declaredCaller, placed } from './declared-caller.ts'
import type { SigningKeys } from './jwks.ts'
import { isTooLarge, readUnverified } from './unverified-jwt.ts'

interface JwtAuthenticator extends Authenticator {
  /** Fetches the keys of every issuer, and refreshes them. */
  start(): void
  stop(): Promise<void>
  /** For each issuer, whether the last fetch of its keys succeeded. Undefined: there was none. */
  issuers(): readonly { readonly issuer: string; readonly isFresh: boolean | undefined }[]
}

/** Of signatures, unless the settings of the issuer name fewer. */
export const JWT_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const
const LEEWAY_SECONDS = 30
const REMEMBERED_MS = 300_000
const REMEMBERED_MAX = 10_000
/** No control characters, because logs and the audit trail contain the subject. */
const SUBJECT = /^[^\p{Cc}\p{Cs}]{1,512}$/u

interface Remembered {
  readonly caller: DeclaredCaller
  /** The expiry of the token. */
  readonly expiresAt: number
  /** Next verification, in time of the monotonic clock. */
  readonly staleAt: number
}

interface Issuer {
  readonly settings: IssuerSettings
  readonly keys: SigningKeys
}

export function createJwtAuthenticator(dependencies: {
  /** Returns a new array after a change. Then all remembered results are dropped. */
  readonly issuers: () => readonly IssuerSettings[]
  /** Returns a new array after a change. */
  readonly callers: () => readonly CallerEntry[]
  readonly createSigningKeys: (settings: IssuerSettings) => SigningKeys
  readonly now: () => number
  readonly monotonic: () => number
}): JwtAuthenticator {
  const { issuers, callers, createSigningKeys, now, monotonic } = dependencies
  const remembered = new Map<string, Remembered>()
  /** A second map by the credentials object of a connection. A lookup here needs no digest. */
  let recent = new WeakMap<Credentials, Remembered>()
  const known = new Map<string, Issuer>()
  const ending = new Set<Promise<void>>()
  let seenIssuers: readonly IssuerSettings[] = []
  let seenCallers: readonly CallerEntry[] = []
  let isStarted = false

  const end = ({ keys }: Issuer) => {
    const stopping = keys.stop().finally(() => ending.delete(stopping))
    ending.add(stopping)
  }

  /** An issuer with unchanged settings keeps its keys. */
  const followSettings = () => {
    if (issuers() === seenIssuers && callers() === seenCallers) return
    remembered.clear()
    recent = new WeakMap()
    seenCallers = callers()
    seenIssuers = issuers()
    const wanted = new Map(seenIssuers.map((settings) => [settings.issuer, settings]))
    for (const [name, issuer] of known) {
      if (isSame(wanted.get(name), issuer.settings)) continue
      known.delete(name)
      end(issuer)
    }
    for (const [name, settings] of wanted) {
      if (known.has(name)) continue
      const keys = createSigningKeys(settings)
      known.set(name, { settings, keys })
      if (isStarted) keys.start()
    }
  }

  const verify = async (token: string, digest: string): Promise<DeclaredCaller> => {
    const { issuer: name } = readUnverified(token)
    const issuer = known.get(name)
    if (!issuer) throw refusedBearer('TOKEN_ISSUER_UNKNOWN')
    const entries = seenCallers
    const claims = await verifiedClaims(token, issuer, now())
    const caller = callerOf(issuer.settings, claims, entries)
    const expiresAt = claims.exp * 1000
    // Remembers the result only if the settings did not change during the verification.
    if (known.get(name) === issuer && seenCallers === entries) {
      remember(digest, { caller, expiresAt, staleAt: monotonic() + REMEMBERED_MS })
    }
    return caller
  }

  const isGood = ({ expiresAt, staleAt }: Remembered) => now() < expiresAt && monotonic() < staleAt

  const remember = (digest: string, entry: Remembered) => {
    remembered.delete(digest)
    remembered.set(digest, entry)
    if (remembered.size <= REMEMBERED_MAX) return
    const [oldest] = remembered.keys()
    if (oldest !== undefined) remembered.delete(oldest)
  }

  return {
    authenticate(credentials, from) {
      const { bearer } = credentials
      if (bearer === undefined || !bearer.includes('.')) return undefined
      if (isTooLarge(bearer)) throw refusedBearer('TOKEN_TOO_LARGE')
      followSettings()
      const recalled = recent.get(credentials)
      if (recalled && isGood(recalled)) return placed(recalled.caller, from, outside)
      const digest = hash('sha256', bearer, 'base64url')
      const found = remembered.get(digest)
      if (!found || !isGood(found)) {
        return verify(bearer, digest).then((caller) => placed(caller, from, outside))
      }
      recent.set(credentials, found)
      return placed(found.caller, from, outside)
    },
    start() {
      isStarted = true
      followSettings()
      for (const { keys } of known.values()) keys.start()
    },
    async stop() {
      for (const issuer of known.values()) end(issuer)
      known.clear()
      await Promise.all(ending)
    },
    issuers: () => [...known].map(([issuer, { keys }]) => ({ issuer, isFresh: keys.isFresh() })),
  }
}

interface Claims extends JWTPayload {
  readonly sub: string
  readonly exp: number
}

async function verifiedClaims(
  token: string,
  { settings, keys }: Issuer,
  now: number,
): Promise<Claims> {
  const { issuer, audience, typ, algorithms = JWT_ALGORITHMS } = settings
  try {
    const { payload } = await jwtVerify(token, (header) => keys.find(header), {
      algorithms: JWT_ALGORITHMS.filter((algorithm) => algorithms.includes(algorithm)),
      issuer,
      audience: [audience].flat(),
      clockTolerance: LEEWAY_SECONDS,
      requiredClaims: ['exp', 'sub'],
      currentDate: new Date(now),
      ...(typ !== undefined && { typ }),
    })
    const { exp, iat, sub } = payload
    const isGood =
      typeof exp === 'number' &&
      Number.isFinite(exp) &&
      (iat === undefined || iat <= now / 1000 + LEEWAY_SECONDS) &&
      typeof sub === 'string' &&
      SUBJECT.test(sub)
    if (!isGood) throw refusedBearer('TOKEN_CLAIMS_INVALID')
    return { ...payload, exp, sub }
  } catch (error) {
    if (error instanceof BrokerError) throw error
    // The error of the library contains claims, so only our code is passed on.
    throw refusedBearer(codeOf(error))
  }
}

const callerOf = (
  { issuer }: IssuerSettings,
  claims: Claims,
  entries: readonly CallerEntry[],
): DeclaredCaller =>
  declaredCaller(
    entries,
    { kind: 'jwt', issuer, subject: claims.sub, claims },
    { id: `jwt:${issuer}#${claims.sub}`, name: claims.sub },
  )

const outside = (principal: Principal) => refusedBearer('TOKEN_OUTSIDE_NETWORKS', principal)

function codeOf(error: unknown): RefusalCode {
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'TOKEN_SIGNATURE_WRONG'
  if (error instanceof errors.JOSEAlgNotAllowed) return 'TOKEN_ALGORITHM_REFUSED'
  if (error instanceof errors.JWTExpired) return 'TOKEN_EXPIRED'
  if (error instanceof errors.JWTClaimValidationFailed) {
    const codes: Readonly<Record<string, RefusalCode>> = {
      aud: 'TOKEN_AUDIENCE_WRONG',
      nbf: 'TOKEN_NOT_YET_VALID',
      typ: 'TOKEN_TYPE_WRONG',
    }
    return codes[error.claim] ?? 'TOKEN_CLAIMS_INVALID'
  }
  return 'TOKEN_UNVERIFIABLE'
}

/** Compares settings, which are plain data of one file. */
const isSame = (one: IssuerSettings | undefined, other: IssuerSettings): boolean =>
  JSON.stringify(one) === JSON.stringify(other)
