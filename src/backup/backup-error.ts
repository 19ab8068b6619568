/** Why a backup or a restore was not done, with the status that the process exits with (sysexits.h). */

export const EXIT_STATUSES = {
  /** The command was used incorrectly. */
  usage: 64,
  /** The file is not a whole, unaltered backup that this keyring and this release can read. */
  refused: 65,
  /** There is nothing to read. */
  no_input: 66,
  /** The store does not answer, or lost its content. */
  unavailable: 69,
  /** It would overwrite what is there, or cannot be created. */
  cannot_create: 73,
  /** What was to be read or written broke off. */
  io: 74,
} as const

export type BackupFailure = keyof typeof EXIT_STATUSES

export class BackupError extends Error {
  readonly trouble: BackupFailure

  constructor(trouble: BackupFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'BackupError'
    this.trouble = trouble
  }

  get status(): number {
    return EXIT_STATUSES[this.trouble]
  }
}
