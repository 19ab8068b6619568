/**
 * The members of an error that may be logged. Messages of foreign errors can contain secrets
 * (`JSON.parse` quotes its input, ioredis the arguments of a command), so only our own error
 * classes show a message.
 */
import { ConfigError } from '../config/config-error.ts'
import { BrokerError } from '../errors/errors.ts'
import { PROBLEMS } from '../errors/problems.ts'
import { type Hop, HopError } from '../http/outbound/hop.ts'

interface ErrorRecord {
  readonly type: string
  readonly code?: string | number
  readonly message?: string
  /** The hop at which an outbound call failed. */
  readonly hop?: Hop
  /** Places in the code, the innermost first. */
  readonly stack?: readonly string[]
  readonly cause?: ErrorRecord
  /** The errors of an `AggregateError`, at most three. */
  readonly errors?: readonly ErrorRecord[]
}

const DEPTH_MAX = 5
const FRAMES_MAX = 20
const ERRORS_MAX = 3
const NAME = /^[A-Za-z_$][\w$]{0,63}$/
const CODE = /^[A-Z][A-Z0-9_]{1,63}$/
/** A function name and a place in a file, and nothing else. */
const FRAME =
  /^ {4}at (?:[\w$.<>[\]# ]{1,200} \()?(?:file:\/\/\/|node:|\/)[^\s()?#]{1,300}:\d+:\d+\)?$/

export function errorRecord(error: unknown, depth = 0): ErrorRecord {
  if (typeof error !== 'object' || error === null) return { type: typeof error }
  const code = read(error, 'code')
  const cause = read(error, 'cause')
  const errors = read(error, 'errors')
  const deeper = depth + 1 < DEPTH_MAX
  // Errors with another log line and their causes get no stack.
  const stack = error instanceof BrokerError && error.isTold ? [] : framesOf(error)
  return {
    type: typeOf(error),
    ...(isCode(code) && { code }),
    ...(isOurs(error) && { message: messageOf(error) }),
    ...(error instanceof HopError && { hop: error.hop }),
    ...(stack.length > 0 && { stack }),
    ...(deeper && cause !== undefined && { cause: causeRecord(error, cause, depth + 1) }),
    ...(deeper &&
      Array.isArray(errors) && {
        errors: errors.slice(0, ERRORS_MAX).map((one) => errorRecord(one, depth + 1)),
      }),
  }
}

function causeRecord(error: object, cause: unknown, depth: number): ErrorRecord {
  const { stack, ...rest } = errorRecord(cause, depth)
  const isTold = error instanceof BrokerError && error.isTold
  return isTold || stack === undefined ? rest : { ...rest, stack }
}

/** Whether this service wrote the message of the error. */
export function isOurs(error: unknown): error is BrokerError | ConfigError {
  return error instanceof BrokerError || error instanceof ConfigError
}

const messageOf = (error: BrokerError | ConfigError): string =>
  error instanceof BrokerError ? error.detail : error.message

/** Never throws, not even if a getter does. */
function read(from: object, member: string): unknown {
  try {
    return Reflect.get(from, member)
  } catch {
    return undefined
  }
}

function typeOf(error: object): string {
  const maker = read(error, 'constructor')
  const names = [read(error, 'name'), typeof maker === 'function' ? maker.name : undefined]
  return names.find((name) => typeof name === 'string' && NAME.test(name))?.toString() ?? 'Error'
}

function isCode(code: unknown): code is string | number {
  if (typeof code === 'number') return Number.isInteger(code)
  return typeof code === 'string' && (CODE.test(code) || Object.hasOwn(PROBLEMS, code))
}

/** The stack begins with the message, which may look like a frame, so only lines after the message are used. */
function framesOf(error: object): readonly string[] {
  const stack = read(error, 'stack')
  const message = read(error, 'message')
  if (typeof stack !== 'string' || typeof message !== 'string') return []
  const start = stack.indexOf(message)
  if (start < 0) return []
  return stack
    .slice(start + message.length)
    .split('\n')
    .filter((line) => FRAME.test(line))
    .slice(0, FRAMES_MAX)
    .map((line) => line.slice('    at '.length))
}
