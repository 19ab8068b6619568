/** A file descriptor as a destination: stdout. Never blocks a thread on a pipe that nobody reads. */
import { fstatSync, write as writeFile } from 'node:fs'
import { Socket } from 'node:net'
import { promisify } from 'node:util'
import type { Destination } from './line-output.ts'
import { retryOnEagain } from './retry-on-eagain.ts'

const write = promisify(writeFile)

export function createDescriptor(fd: number): Destination {
  const kind = fstatSync(fd)
  if (kind.isFIFO() || kind.isSocket()) makeNonBlocking(fd)
  return {
    put: (bytes, signal) =>
      retryOnEagain(async () => (await write(fd, bytes)).bytesWritten, signal),
    renew: async () => undefined,
    close: async () => undefined,
  }
}

/** Opens a stream, because libuv then makes the descriptor non-blocking and Node has no call for that. The stream is not used, because it does not report the bytes of a failed write. A blocking write in the thread pool would occupy a thread, and `process.exit` would wait for it. */
function makeNonBlocking(fd: number): void {
  new Socket({ fd, readable: false, writable: true }).unref()
}
