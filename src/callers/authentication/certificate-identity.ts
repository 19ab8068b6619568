/** The identity in a client certificate whose chain is verified: a SPIFFE id, or else its subject. Pure. */
import 'reflect-metadata'
import type { X509Certificate } from 'node:crypto'
import { X509Certificate as Parsed, SubjectAlternativeNameExtension } from '@peculiar/x509'
import type { RefusalCode } from './authenticator.ts'

export interface CertificateIdentity {
  /** `spiffe://…`, or the subject with its attributes in the order of the certificate: `O=Acme, CN=billing`. */
  readonly id: string
  readonly notBefore: number
  readonly notAfter: number
}

/** RFC 5280: the purpose of client authentication. */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
/** The form of ids in the SPIFFE standard: a trust domain, and a path without empty or dot segments. */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/
const SPIFFE_MAX = 2_048
const SUBJECT = /^[^\p{Cc}\p{Cs}]{1,1024}$/u

/** Undefined if the certificate has no unambiguous name. */
export function certificateIdentityOf(
  certificate: X509Certificate,
): CertificateIdentity | RefusalCode {
  const purposes = certificate.keyUsage as readonly string[] | undefined
  if (purposes !== undefined && !purposes.includes(CLIENT_AUTH)) {
    return 'CERTIFICATE_NOT_FOR_CLIENTS'
  }
  const id = nameOf(certificate)
  if (id === undefined) return 'CERTIFICATE_NAMELESS'
  return {
    id,
    notBefore: certificate.validFromDate.getTime(),
    notAfter: certificate.validToDate.getTime(),
  }
}

function nameOf({ raw }: X509Certificate): string | undefined {
  const parsed = new Parsed(raw)
  const names = parsed.getExtension(SubjectAlternativeNameExtension)?.names.toJSON() ?? []
  const uris = names.filter(({ type }) => type === 'url').map(({ value }) => value)
  if (uris.some((uri) => /^spiffe:/i.test(uri))) {
    const [uri = ''] = uris
    // The standard allows one URI. With two, another verifier may use the other one.
    return uris.length === 1 && uri.length <= SPIFFE_MAX && SPIFFE_ID.test(uri) ? uri : undefined
  }
  return SUBJECT.test(parsed.subject) ? parsed.subject : undefined
}
