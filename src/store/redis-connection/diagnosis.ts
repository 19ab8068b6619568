/** Detects the protocol of a port after a connection failed without an explanation. */
import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

const TIMEOUT_MS = 1_500
/** The first byte of a RESP answer. */
const RESP = /^[-+$*:_,#!=%~>|(]/

/**
 * Undefined: unknown. Every Redis answers PING, at least with NOAUTH. The TLS probe sends no data,
 * so it accepts any certificate.
 */
export async function spokenAt(host: string, port: number): Promise<'plain' | 'tls' | undefined> {
  const isPlain = await outcomeOf(connectPlain({ host, port }), (socket, settle) => {
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (bytes) => settle(RESP.test(bytes.toString('latin1'))))
  })
  if (isPlain) return 'plain'
  const servername = isIP(host) === 0 ? host : ''
  const options = { host, port, servername, rejectUnauthorized: false }
  const isTls = await outcomeOf(connectTls(options), (socket, settle) => {
    socket.once('secureConnect', () => settle(true))
    socket.once('error', ({ code = '' }: NodeJS.ErrnoException) => settle(/ALERT/.test(code)))
  })
  return isTls ? 'tls' : undefined
}

function outcomeOf(
  socket: Socket,
  ask: (socket: Socket, settle: (answer: boolean) => void) => void,
): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => settle(false), TIMEOUT_MS)
    const settle = (answer: boolean) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(answer)
    }
    ask(socket, settle)
    // Errors after the first data have no meaning.
    socket.on('error', () => settle(false))
    socket.once('close', () => settle(false))
  })
}
