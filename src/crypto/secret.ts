import { inspect } from 'node:util'

const MASK = '[secret]'

/**
 * A string that can be used but not printed: string conversion, JSON, template literals and
 * `util.inspect` all show `[secret]`. Only {@link Secret.reveal} gives the text.
 */
export class Secret {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** The text itself. Call it where the text leaves the process, and nowhere else. */
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
