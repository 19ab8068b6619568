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

/**
 * libuv does so for a stream that it opens; Node itself has no call for it. The stream is not used:
 * it would not say how many bytes of a failed write went out. A write that blocked in the thread
 * pool would take a thread, and keep even `process.exit` waiting for the reader.
 */
function makeNonBlocking(fd: number): void {
  new Socket({ fd, readable: false, writable: true }).unref()
}
