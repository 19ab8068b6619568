/**
 * The log of the process: one flat line of JSON per event. Errors, requests and responses pass an
 * allow-list; other objects are not printed, because they may contain secrets.
 */
import { type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino'
import { Secret } from '../crypto/secret.ts'
import { BrokerError } from '../errors/errors.ts'
import { errorRecord, isOurs } from './error-record.ts'
import { createLogOutput, type LogOutput } from './log-output.ts'
import { isSensitiveName, MASK, redact, shownText } from './redaction.ts'
import { requestRecord, responseRecord } from './request-record.ts'

export type Logger = PinoLogger

interface LoggerOptions {
  /** `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`. */
  readonly level: string
  /** Default: stdout, with at most 1 MiB in memory. */
  readonly destination?: Pick<LogOutput, 'write'> & Partial<LogOutput>
  /** Adds members to each line. Default: none. */
  readonly members?: () => object
}

const TEXT_MAX = 1_000
const DEBUG = 20
/** Members that repeat the error. `what` is a task that is retried. */
const OF_THE_ERROR: ReadonlySet<string> = new Set(['err', 'code', 'what'])
const SERIALIZERS = { err: errorRecord, req: requestRecord, res: responseRecord }

export function createLogger(options: LoggerOptions): Logger {
  const { level, destination = createLogOutput(), members } = options
  const logger = pino(
    {
      level,
      base: null,
      ...(members && { mixin: members }),
      timestamp: stdTimeFunctions.isoTime,
      serializers: SERIALIZERS,
      formatters: { level: (label) => ({ level: label }), log: flat },
      hooks: {
        logMethod(args, method, level) {
          const safe = safeArguments(args) as Parameters<typeof method>
          if (level > DEBUG && isEcho(args[0])) this.debug(...safe)
          else method.apply(this, safe)
        },
        streamWrite: redact,
      },
    },
    destination,
  )
  // pino applies no formatter to the bindings of a child; children inherit this function.
  const { child, setBindings } = logger
  return Object.assign(logger, {
    child(this: Logger, bindings: object, options?: object) {
      return child.call(this, flat(bindings), options)
    },
    setBindings(this: Logger, bindings: object) {
      setBindings.call(this, flat(bindings))
    },
  })
}

/** Whether the line only repeats an error that has its own line. */
function isEcho(first: unknown): boolean {
  if (typeof first !== 'object' || first === null) return false
  const error: unknown = 'err' in first ? first.err : first
  if (!(error instanceof BrokerError && error.isTold)) return false
  return error === first || Object.keys(first).every((name) => OF_THE_ERROR.has(name))
}

/** Keeps plain values, shortens long text, and replaces objects by their kind. */
function flat(members: object): Record<string, unknown> {
  const entries = Object.entries(members)
  return Object.fromEntries(
    entries.flatMap(([name, value]) => {
      if (Object.hasOwn(SERIALIZERS, name)) return [[name, value]]
      const text = typeof value === 'string' ? shownText(name, value) : value
      const shown = isSensitiveName(name) ? MASK : plain(text)
      return shown === undefined ? [] : [[name, shown]]
    }),
  )
}

function plain(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
      return value.length > TEXT_MAX ? `${value.slice(0, TEXT_MAX)}…` : value
    case 'number':
    case 'boolean':
      return value
    case 'bigint':
      return value.toString()
    case 'object':
      if (value === null) return null
      if (value instanceof Secret) return String(value)
      if (value instanceof Error) return errorRecord(value)
      return Array.isArray(value) ? `[array of ${value.length}]` : '[object]'
    default:
      return undefined
  }
}

/**
 * Prevents two features of pino: the message of an error as the message of the line, and objects
 * formatted into the text.
 */
function safeArguments(args: readonly unknown[]): readonly unknown[] {
  const [first, ...rest] = args
  if (typeof first !== 'object' || first === null) return [first, ...rest.map(plain)]
  const members = first instanceof Error ? { err: first } : first
  const error: unknown = 'err' in members ? members.err : undefined
  const [text, ...values] = rest
  if (error === undefined) return [members, text, ...values.map(plain)]
  return [members, ownText(text, error), ...values.map(plain)]
}

function ownText(text: unknown, error: unknown): string {
  const message = error instanceof Error ? error.message : undefined
  const repeats = Boolean(message) && typeof text === 'string' && text.includes(message ?? '')
  if (typeof text === 'string' && !repeats) return text
  return isOurs(error) ? error.message : 'an error without a message'
}
