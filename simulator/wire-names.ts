/** Converts between `camelCase` inside and `snake_case` in the control API. */

/** Members with names of OAuth or HTTP, which are not converted. */
const FOREIGN = new Set(['set', 'form', 'query', 'headers', 'requests', 'tokenRequests'])

export function toWire(value: unknown): unknown {
  return renamed(value, (name) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`))
}

export function fromWire(value: unknown): unknown {
  return renamed(value, camelCase)
}

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => renamed(item, rename))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      rename(name),
      FOREIGN.has(camelCase(name)) ? member : renamed(member, rename),
    ]),
  )
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
