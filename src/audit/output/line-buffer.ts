/** Enough for a batch that is written before its time is up; a larger one makes room for itself, and gives it back. */
const USUAL_BYTES = 512 * 1024
/** What a character may take in UTF-8. */
const CHARACTER_BYTES = 3

/** Lines on their way out, as bytes: a text that is put together of many pieces stays alive as all of them. */
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
    /** All lines since the last time. Good until it is called again: two pieces of memory are used in turn. */
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
