/** Looks into DER (X.690): which element follows which. It reads headers alone and copies nothing. */

export interface DerElement {
  /** The identifier octet, such as `0x30` of a SEQUENCE. */
  readonly tag: number
  /** Where its content begins. */
  readonly from: number
  /** Where its content ends, by its header: it can lie behind the end of the bytes. */
  readonly to: number
}

export const TAG = { integer: 0x02, bitString: 0x03, octetString: 0x04, oid: 0x06, sequence: 0x30 }

/** The element that begins here; undefined where no complete header does. */
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

/** The elements inside, 16 at most; it stops where one does not fit. */
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

/** How many bytes the outermost SEQUENCE says that it has, header included; undefined where there is none. */
export function sequenceLength(der: Buffer): number | undefined {
  const outer = elementAt(der, 0)
  return outer?.tag === TAG.sequence ? outer.to : undefined
}

/** The content in hexadecimal: of an OBJECT IDENTIFIER, or of a short INTEGER. */
export const hexOf = (der: Buffer, { from, to }: DerElement): string =>
  der.subarray(from, Math.min(to, from + 16)).toString('hex')
