/** The log of one request. Its child logger is created at the first line, because it costs as much as the rest of a hit. */
import type { FastifyBaseLogger } from 'fastify'

type Bindings = Parameters<FastifyBaseLogger['child']>[0]

/** A class, so that a request allocates one object and no functions. */
class RequestLog implements FastifyBaseLogger {
  readonly #parent: FastifyBaseLogger
  readonly #bindings: Bindings
  #made: FastifyBaseLogger | undefined

  constructor(parent: FastifyBaseLogger, bindings: Bindings) {
    this.#parent = parent
    this.#bindings = bindings
  }

  #own(): FastifyBaseLogger {
    this.#made ??= this.#parent.child(this.#bindings)
    return this.#made
  }

  get level() {
    return this.#parent.level
  }

  child(...args: Parameters<FastifyBaseLogger['child']>): FastifyBaseLogger {
    return this.#own().child(...args)
  }

  trace(...args: readonly unknown[]): void {
    say(this.#own(), 'trace', args)
  }

  debug(...args: readonly unknown[]): void {
    say(this.#own(), 'debug', args)
  }

  info(...args: readonly unknown[]): void {
    say(this.#own(), 'info', args)
  }

  warn(...args: readonly unknown[]): void {
    say(this.#own(), 'warn', args)
  }

  error(...args: readonly unknown[]): void {
    say(this.#own(), 'error', args)
  }

  fatal(...args: readonly unknown[]): void {
    say(this.#own(), 'fatal', args)
  }

  silent(): void {
    return
  }
}

type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'

function say(log: FastifyBaseLogger, level: Level, args: readonly unknown[]): void {
  Reflect.apply(log[level], log, args)
}

export const requestLog = (parent: FastifyBaseLogger, bindings: Bindings): FastifyBaseLogger =>
  new RequestLog(parent, bindings)
