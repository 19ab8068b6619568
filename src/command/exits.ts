/** The exit codes of all commands: 1, and those of sysexits.h. */
export const EXITS = {
  /** Done, and all is well. */
  ok: 0,
  /** Done, and something needs a person. */
  ill: 1,
  usage: 64,
  /** What was given is refused. */
  data: 65,
  noInput: 66,
  unavailable: 69,
  software: 70,
  cannotCreate: 73,
  io: 74,
  /** It goes on without this command. */
  pending: 75,
  config: 78,
  /** Ctrl-C, as shells say it. */
  interrupted: 130,
} as const

/** For the documents. */
export const EXIT_MEANINGS: Readonly<Record<number, string>> = {
  [EXITS.ok]: 'done, and all is well',
  [EXITS.ill]: 'done, and something needs a person; a check failed',
  [EXITS.usage]: 'the command line is wrong',
  [EXITS.data]: 'a file is not valid',
  [EXITS.noInput]: 'a file is missing or cannot be read',
  [EXITS.unavailable]:
    'the broker refused, or cannot be reached; for `backup` and `restore`: the store is not available',
  [EXITS.software]: 'a bug',
  [EXITS.cannotCreate]: 'the output exists already, or cannot be created',
  [EXITS.io]: 'the output cannot be written',
  [EXITS.pending]: 'the time is over, and the broker goes on without the command',
  [EXITS.config]: 'a setting is missing or wrong',
  [EXITS.interrupted]: 'you pressed Ctrl-C; what the broker does goes on',
}

/** Ends a command with a message and an exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly exit: number

  constructor(exit: number, message: string, options?: ErrorOptions) {
    super(message, options)
    this.exit = exit
  }
}
