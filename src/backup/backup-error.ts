/** Reasons for a failed backup or restore, with the exit status (sysexits.h). */

const EXIT_STATUSES = {
  /** Wrong usage of the command. */
  usage: 64,
  /** The file is not a complete, unaltered backup that this keyring and this release can read. */
  refused: 65,
  no_input: 66,
  /** The store is unavailable or lost its content. */
  unavailable: 69,
  /** The output exists or cannot be created. */
  cannot_create: 73,
  /** Reading or writing failed. */
  io: 74,
} as const

type BackupFailure = keyof typeof EXIT_STATUSES

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
