/** The callers of the configuration file: which proven identity may do what. */
import { matchesGlob, type Permission, type Permit } from './policy.ts'

interface CallerMatch {
  /** The issuer of a JWT, exactly. Without it, an entry matches no JWT: subjects of two issuers have nothing in common. */
  readonly issuer?: string
  /** Glob on the subject of a JWT. Any by default. */
  readonly subject?: string
  /** Claims of a JWT, by name; a claim that is an array matches when it contains the value. */
  readonly claims?: Readonly<Record<string, string | number | boolean>>
  /** Glob on the SPIFFE id, or the subject, of a client certificate. Without it, an entry matches no certificate. */
  readonly certificate?: string
}

export interface CallerEntry {
  readonly name: string
  readonly match: CallerMatch
  readonly permissions: readonly Permission[]
  /** Globs. Left out: none, and every one for permissions that concern no single integration. */
  readonly integrations?: readonly string[]
  readonly labels: Readonly<Record<string, string>>
}

export interface IssuerSettings {
  /** Exactly as in the `iss` of its tokens. */
  readonly issuer: string
  /** One of these must be in `aud`. */
  readonly audience: string | readonly string[]
  /** Default: discovered. */
  readonly jwksUri?: string
  /** PEM file with a CA to trust besides the well-known ones; read at each fetch. */
  readonly caFile?: string
  /** File with a bearer token to fetch the keys with; read at each fetch. */
  readonly tokenFile?: string
  /** What the header's `typ` must be. Default: not looked at. */
  readonly typ?: string
  /** Default: every asymmetric one that is known. */
  readonly algorithms?: readonly string[]
}

/** The verified identity of a caller. */
export type Proven =
  | {
      readonly kind: 'jwt'
      readonly issuer: string
      readonly subject: string
      readonly claims: Readonly<Record<string, unknown>>
    }
  | {
      readonly kind: 'mtls'
      /** SPIFFE id or subject. */
      readonly certificate: string
    }

interface Found {
  /** The first matching entry; undefined if there is none. */
  readonly name: string | undefined
  /** Empty where none matches: such a principal gets 403 everywhere. */
  readonly permits: readonly Permit[]
}

/** Permissions over the service as a whole: they need no list of integrations. */
const WITHOUT_INTEGRATIONS: readonly Permission[] = ['audit:read', 'service:manage']

/** Adds up all entries that match. */
export function permitsFor(entries: readonly CallerEntry[], proven: Proven): Found {
  const matching = entries.filter(({ match }) => matches(match, proven))
  return { name: matching[0]?.name, permits: matching.flatMap(permitsOf) }
}

function permitsOf({ permissions, integrations, labels }: CallerEntry): readonly Permit[] {
  return permissions.map((permission) => ({
    permission,
    integrations: integrations ?? (WITHOUT_INTEGRATIONS.includes(permission) ? ['*'] : []),
    labels,
  }))
}

/** An entry that names a certificate and an issuer asks for both, which nobody has. */
function matches(match: CallerMatch, proven: Proven): boolean {
  const { issuer, subject, claims, certificate } = match
  if (proven.kind === 'mtls') {
    if (issuer !== undefined || subject !== undefined || claims !== undefined) return false
    return certificate !== undefined && matchesGlob(certificate, proven.certificate)
  }
  if (certificate !== undefined || issuer !== proven.issuer) return false
  if (subject !== undefined && !matchesGlob(subject, proven.subject)) return false
  return Object.entries(claims ?? {}).every(([name, value]) => {
    const claim = Object.hasOwn(proven.claims, name) ? proven.claims[name] : undefined
    return Array.isArray(claim) ? claim.includes(value) : claim === value
  })
}
