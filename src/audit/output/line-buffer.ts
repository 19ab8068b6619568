/** Enough for a usual batch. A larger batch allocates more and frees it afterwards. */
const USUAL_BYTES = 512 * 1024
/** Most bytes of a character in UTF-8. */
const CHARACTER_BYTES = 3

/** Buffers lines as bytes, because a concatenated text keeps all its parts in memory. */
export function createLineBuffer() {
  let buffer = Buffer.allocUnsafe(USUAL_BYTES)
  let other = Buffer.allocUnsafe(USUAL_BYTES)
  let size = 0

  const makeRoom = (bytes: number) => {
    const larger = Buffer.allocUnsafe(Math.max(2 * buffer.length, size + bytes))
    buffer.copy(larger, 0, 0, size)
    buffer = larger
  }

  return {
    add(line: string): void {
      const bytes = CHARACTER_BYTES * line.length
      if (size + bytes > buffer.length) makeRoom(bytes)
      size += buffer.write(line, size)
    },
    /** Returns all lines since the last call. The result is valid until the next call, because two buffers alternate. */
    take(): Uint8Array {
      const taken = buffer.subarray(0, size)
      const usual = buffer.length > USUAL_BYTES ? Buffer.allocUnsafe(USUAL_BYTES) : buffer
      buffer = other
      other = usual
      size = 0
      return taken
    },
    /** In bytes. */
    size: (): number => size,
  }
}
