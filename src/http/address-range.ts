/** An inclusive range of IP addresses. */
import { BlockList, isIP } from 'node:net'

export interface AddressRange {
  readonly first: string
  readonly last: string
}

/** Parses `ADDRESS` or `FIRST-LAST`, both IPv4 or both IPv6. Undefined if the text is neither. */
export function addressRangeOf(text: string): AddressRange | undefined {
  const [first = '', last = first, ...more] = text.split('-').map((end) => end.trim())
  const family = isIP(first)
  const isPair = more.length === 0 && family !== 0 && isIP(last) === family && !text.includes('%')
  return isPair && isInOrder(first, last, family === 4 ? 'ipv4' : 'ipv6')
    ? { first, last }
    : undefined
}

function isInOrder(first: string, last: string, family: 'ipv4' | 'ipv6'): boolean {
  try {
    new BlockList().addRange(first, last, family)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_INVALID_ARG_VALUE') {
      return false
    }
    throw error
  }
}
