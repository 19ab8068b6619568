/** Reads the structure of DER (X.690). Parses only headers and copies nothing. */

export interface DerElement {
  /** The identifier octet, for example `0x30` for a SEQUENCE. */
  readonly tag: number
  readonly from: number
  /** End of the content according to the header. It may exceed the length of the data. */
  readonly to: number
}

export const TAG = { integer: 0x02, bitString: 0x03, octetString: 0x04, oid: 0x06, sequence: 0x30 }

/** The element at this offset; undefined if the header is incomplete. */
export function elementAt(der: Buffer, at: number): DerElement | undefined {
  const tag = der[at]
  const first = der[at + 1]
  if (tag === undefined || first === undefined) return undefined
  if (first < 0x80) return { tag, from: at + 2, to: at + 2 + first }
  const octets = first & 0x7f
  if (octets === 0 || octets > 4 || at + 2 + octets > der.length) return undefined
  const from = at + 2 + octets
  return { tag, from, to: from + der.readUIntBE(at + 2, octets) }
}

/** At most 16 child elements; stops at the first one that exceeds its parent. */
export function childrenOf(der: Buffer, parent: DerElement): readonly DerElement[] {
  const children: DerElement[] = []
  let at = parent.from
  while (at < parent.to && children.length < 16) {
    const child = elementAt(der, at)
    if (!child || child.to > parent.to || child.to > der.length) break
    children.push(child)
    at = child.to
  }
  return children
}

/** Length of the outermost SEQUENCE with its header; undefined if there is none. */
export function sequenceLength(der: Buffer): number | undefined {
  const outer = elementAt(der, 0)
  return outer?.tag === TAG.sequence ? outer.to : undefined
}

/** The content of an OBJECT IDENTIFIER or a short INTEGER, in hexadecimal. */
export const hexOf = (der: Buffer, { from, to }: DerElement): string =>
  der.subarray(from, Math.min(to, from + 16)).toString('hex')
