/** The subject of a certificate, validated so that it needs no escaping. */
import 'reflect-metadata'
import { type JsonAttributeAndObjectValue, Name } from '@peculiar/x509'
import { invalidPem } from './pem.ts'

export interface CertificateSubject {
  /** 1 to 64 visible characters. */
  readonly commonName: string
  /** 1 to 64 visible characters. */
  readonly organization?: string
  /** 1 to 64 visible characters. */
  readonly organizationalUnit?: string
  /** 1 to 128 visible characters. */
  readonly locality?: string
  /** 1 to 128 visible characters. */
  readonly state?: string
  /** Two capital letters (ISO 3166). */
  readonly country?: string
}

export interface SelfSignedOptions {
  readonly subject: CertificateSubject
  /** Whole days, 1 to 825. */
  readonly days: number
  /** Epoch milliseconds. */
  readonly now: number
}

/** Attributes from the widest to the narrowest, with the upper bounds of X.520 in characters. */
const ATTRIBUTES = [
  { member: 'country', name: 'country', type: 'C', max: 2 },
  { member: 'state', name: 'state', type: 'ST', max: 128 },
  { member: 'locality', name: 'locality', type: 'L', max: 128 },
  { member: 'organization', name: 'organization', type: 'O', max: 64 },
  { member: 'organizationalUnit', name: 'organizational_unit', type: 'OU', max: 64 },
  { member: 'commonName', name: 'common_name', type: 'CN', max: 64 },
] as const satisfies readonly {
  member: keyof CertificateSubject
  name: string
  type: string
  max: number
}[]

/** No control, format or unassigned characters, no separators except single spaces, none at the ends. */
const VISIBLE = /^(?! )[^\p{C}\p{Zl}\p{Zp}\p{Zs}]+(?: [^\p{C}\p{Zl}\p{Zp}\p{Zs}]+)*$/u
const COUNTRY = /^[A-Z]{2}$/

/**
 * A distinguished name. Each value is a separate ASN.1 string, so that it cannot start another
 * attribute. Throws `credential_invalid`.
 */
export function distinguishedName(subject: CertificateSubject): Name {
  const attributes: JsonAttributeAndObjectValue[] = []
  for (const { member, name, type, max } of ATTRIBUTES) {
    const value = subject[member]
    if (value === undefined) continue
    if (member === 'country') {
      if (!COUNTRY.test(value)) throw invalidPem(name, 'it must be two capital letters')
      attributes.push({ [type]: [{ printableString: value }] })
      continue
    }
    if ([...value].length > max || !VISIBLE.test(value)) {
      throw invalidPem(name, `it must be 1 to ${max} visible characters`)
    }
    attributes.push({ [type]: [{ utf8String: value }] })
  }
  return new Name(attributes)
}
