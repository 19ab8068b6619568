/** Globs: `*` matches any characters. No other character is special. */

/** Linear in both lengths: searches the parts between the stars from left to right. */
export function matchesGlob(glob: string, name: string): boolean {
  // Fast path for the two usual forms, because each hit calls this.
  if (glob === '*' || glob === name) return true
  if (!glob.includes('*')) return false
  const [head = '', ...rest] = glob.split('*')
  if (!name.startsWith(head)) return false
  const tail = rest.pop() ?? ''
  let at = head.length
  for (const piece of rest) {
    const found = name.indexOf(piece, at)
    if (found === -1) return false
    at = found + piece.length
  }
  return name.length - tail.length >= at && name.endsWith(tail)
}
