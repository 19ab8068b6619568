/** Reads the number of key-derivation iterations of an encrypted private key, because OpenSSL cannot be interrupted while it derives the key. */
import { childrenOf, type DerElement, elementAt, hexOf, TAG } from './der.ts'

const SCRYPT = '2b06010401da47040b'
/** Most bytes of an INTEGER; a larger number of iterations is always refused. */
const LONGEST_NUMBER = 6

/**
 * Reads an EncryptedPrivateKeyInfo (RFC 5958) in DER. Returns iterations of PBKDF1 and PBKDF2 (RFC
 * 8018), or cost × block size × parallelism of scrypt (RFC 7914). Undefined if it cannot be parsed.
 */
export function roundsOf(der: Buffer): number | undefined {
  const outer = elementAt(der, 0)
  if (outer?.tag !== TAG.sequence || outer.to > der.length) return undefined
  const [algorithm] = childrenOf(der, outer)
  if (algorithm?.tag !== TAG.sequence) return undefined
  const parts = [...partsOf(der, algorithm)]
  const numbers = parts.filter(({ tag }) => tag === TAG.integer).map((one) => numberOf(der, one))
  const isScrypt = parts.some((one) => one.tag === TAG.oid && hexOf(der, one) === SCRYPT)
  // Later numbers are the key length and parameters of the cipher.
  const [first, ...others] = numbers
  return isScrypt ? others.slice(0, 2).reduce((all, one) => all * one, first ?? 1) : first
}

function* partsOf(der: Buffer, parent: DerElement): Generator<DerElement> {
  for (const child of childrenOf(der, parent)) {
    if (child.tag === TAG.sequence) yield* partsOf(der, child)
    else yield child
  }
}

const numberOf = (der: Buffer, { from, to }: DerElement): number =>
  to - from > LONGEST_NUMBER || to === from
    ? Number.POSITIVE_INFINITY
    : der.readUIntBE(from, to - from)
