import { inspect } from 'node:util'

const MASK = '[secret]'

/**
 * A string that is not printed: string conversion, JSON, template literals and `util.inspect` show
 * `[secret]`. Only {@link Secret.reveal} returns the text.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Returns the text. Call it only where the text leaves the process. */
  reveal(): string {
    return this.#text
  }

  toString(): string {
    return MASK
  }

  toJSON(): string {
    return MASK
  }

  [inspect.custom](): string {
    return MASK
  }
}
