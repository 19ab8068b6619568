/** All mistakes in the settings. Never contains the value of a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** One sentence each, which begins with the variable or the file. */
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[], options?: ErrorOptions) {
    super(
      `The configuration is not valid:\n${mistakes.map((one) => `  ${one}`).join('\n')}`,
      options,
    )
    this.mistakes = mistakes
  }
}
