/** Authenticates client certificates (mTLS), if this service ends the TLS connection. */
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { CallerEntry } from '../caller-entry.ts'
import type { Principal } from '../policy.ts'
import type { Origin } from '../remembered-documents.ts'
import { type Authenticator, type RefusalCode, refusedCertificate } from './authenticator.ts'
import type { CertificateIdentity } from './certificate-identity.ts'
import { type DeclaredCaller, declaredCaller, placed } from './declared-caller.ts'

/** The certificate of a connection. It cannot change later. */
interface Shown {
  readonly identity: CertificateIdentity | RefusalCode | undefined
  readonly callers: readonly CallerEntry[]
  readonly caller: DeclaredCaller | undefined
}

/** Ignores headers in which proxies forward certificates, because any client can write them. */
export function createClientCertificateAuthenticator(dependencies: {
  /** Returns a new array after a change. */
  readonly callers: () => readonly CallerEntry[]
  readonly now: () => number
}): Authenticator {
  const { callers, now } = dependencies
  const connections = new WeakMap<Socket, Shown>()

  const look = async (socket: TLSSocket): Promise<Shown> => {
    const before = connections.get(socket)
    const identity = before ? before.identity : await identityOn(socket)
    const isProven = typeof identity === 'object'
    const shown = {
      identity,
      callers: callers(),
      caller: isProven ? callerOf(identity, callers()) : undefined,
    }
    connections.set(socket, shown)
    return shown
  }

  const judge = ({ identity, caller }: Shown, from: Origin | undefined): Principal | undefined => {
    if (identity === undefined) return undefined
    if (typeof identity === 'string') throw refusedCertificate(identity)
    // A connection may last longer than its certificate is valid.
    if (now() < identity.notBefore || now() > identity.notAfter) {
      throw refusedCertificate('CERTIFICATE_OUT_OF_TIME')
    }
    return caller && placed(caller, from, outside)
  }

  return {
    authenticate({ bearer, socket }, from) {
      if (bearer !== undefined || !(socket instanceof TLSSocket)) return undefined
      const before = connections.get(socket)
      if (before?.callers === callers()) return judge(before, from)
      return look(socket).then((shown) => judge(shown, from))
    },
  }
}

async function identityOn(socket: TLSSocket) {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  // The parser takes long to load, and most services do not need it.
  const { certificateIdentityOf: identityOf } = await import('./certificate-identity.ts')
  return socket.authorized ? identityOf(certificate) : 'CERTIFICATE_UNTRUSTED'
}

const callerOf = ({ id }: CertificateIdentity, entries: readonly CallerEntry[]): DeclaredCaller =>
  declaredCaller(entries, { kind: 'mtls', certificate: id }, { id: `mtls:${id}`, name: id })

const outside = (principal: Principal) =>
  refusedCertificate('CERTIFICATE_OUTSIDE_NETWORKS', principal)
