/** Signatures of the curve P-256 in the form of JOSE. */
import { elementAt } from './der.ts'

/** Bytes of each number of a signature. */
const NUMBER = 32

/** Written anew for each signature. */
const joined = Buffer.alloc(2 * NUMBER)

/** RFC 7518, section 3.4: the two numbers of a signature in DER, with their full length, until the next call. A sign with `dsaEncoding` takes twice as long. */
export function joseSignature(der: Buffer): Buffer {
  joined.fill(0)
  let at = elementAt(der, 0)?.from ?? 0
  for (const end of [NUMBER, 2 * NUMBER]) {
    const { from, to } = elementAt(der, at) ?? { from: at, to: at }
    // A number has a zero before it if it would look negative, and fewer bytes if it is small.
    const first = Math.max(from, to - NUMBER)
    der.copy(joined, end - (to - first), first, to)
    at = to
  }
  return joined
}
