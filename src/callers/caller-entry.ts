/** The callers in the configuration file: which proven identity may do what. */
import { createNetworks } from '../http/networks.ts'
import { matchesGlob } from './glob.ts'
import { limitedTo, type Permission, type Permit } from './policy.ts'

interface CallerMatch {
  /** The exact issuer of a JWT. An entry without it matches no JWT, because a subject is only unique for its issuer. */
  readonly issuer?: string
  /** Glob on the subject of a JWT. Default: any. */
  readonly subject?: string
  /** Claims of a JWT, by name. An array matches if it contains the value. */
  readonly claims?: Readonly<Record<string, string | number | boolean>>
  /** Glob on the SPIFFE id, or the subject, of a client certificate. An entry without it matches no certificate. */
  readonly certificate?: string
}

export interface CallerEntry {
  readonly name: string
  readonly match: CallerMatch
  readonly permissions: readonly Permission[]
  /** Globs. Absent: none. Permissions without an integration always apply. */
  readonly integrations?: readonly string[]
  readonly labels: Readonly<Record<string, string>>
  /** Requests to Salesforce for which `tokens:read` and `tokens:prove` count. Absent: `tokens:read` is not limited, and `tokens:prove` counts for none. */
  readonly requests?: readonly string[]
  /** Networks from which the permissions count. Absent: everywhere. */
  readonly networks?: readonly string[]
}

export interface IssuerSettings {
  /** Exactly the `iss` of its tokens. */
  readonly issuer: string
  /** One of these must be in `aud`. */
  readonly audience: string | readonly string[]
  /** Default: discovered. */
  readonly jwksUri?: string
  /** PEM file with a CA that is trusted in addition to the well-known CAs. Read at each fetch. */
  readonly caFile?: string
  /** File with a bearer token that fetches the keys. Read at each fetch. */
  readonly tokenFile?: string
  /** Required `typ` of the header. Default: not checked. */
  readonly typ?: string
  /** Default: every asymmetric algorithm that is supported. */
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
  /** Name of the first matching entry. Undefined: none matches. */
  readonly name: string | undefined
  /** Empty if no entry matches. Such a principal gets 403 everywhere. */
  readonly permits: readonly Permit[]
}

/** Permissions for the service as a whole. They need no integrations. */
const WITHOUT_INTEGRATIONS: readonly Permission[] = ['audit:read', 'service:manage']

/** Combines all matching entries, wherever they count from. */
export const permitsFor = (entries: readonly CallerEntry[], proven: Proven): Found =>
  combined(matchingEntries(entries, proven))

export const matchingEntries = (
  entries: readonly CallerEntry[],
  proven: Proven,
): readonly CallerEntry[] => entries.filter(({ match }) => matches(match, proven))

export const combined = (entries: readonly CallerEntry[]): Found => ({
  name: entries[0]?.name,
  permits: entries.flatMap(permitsOf),
})

const checks = new WeakMap<readonly string[], (address: string) => boolean>()

/** Whether the entry counts for requests from this address. An unknown address is in no network. */
export function countsFrom({ networks }: CallerEntry, address: string | undefined): boolean {
  if (networks === undefined) return true
  const check = checks.get(networks) ?? createNetworks(networks)
  checks.set(networks, check)
  return address !== undefined && check(address)
}

function permitsOf({
  permissions,
  integrations,
  labels,
  requests,
  networks,
}: CallerEntry): readonly Permit[] {
  return permissions.map((permission) => ({
    permission,
    integrations: integrations ?? (WITHOUT_INTEGRATIONS.includes(permission) ? ['*'] : []),
    labels,
    ...limitedTo(permission, requests),
    ...(networks && { networks }),
  }))
}

/** An entry with both a certificate and an issuer matches nobody. */
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
