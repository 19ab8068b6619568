/** Questions to a person at the terminal. */
import { createInterface, type Interface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import { text as textOf } from 'node:stream/consumers'
import { CommandError, EXITS } from './exits.ts'
import type { Terminal } from './terminal.ts'

/** Whether the person says yes. Throws `CommandError` if there is nobody to ask. */
export async function confirmed(
  { stdin, stderr, canAsk }: Terminal,
  question: string,
): Promise<boolean> {
  if (!canAsk) {
    throw new CommandError(EXITS.usage, `${question} Nobody can be asked here: say --yes`)
  }
  const reader = createInterface({ input: stdin, output: stderr })
  const answer = await answerOf(reader, `${question} [y/N] `)
  return /^y(?:es)?$/i.test(answer)
}

/** Reads a secret: typed without an echo, or the first line of a pipe. */
export async function readSecret(
  { stdin, stderr, canAsk }: Terminal,
  question: string,
): Promise<string> {
  // It would be typed with an echo.
  if (stdin.isTTY === true && !canAsk) {
    throw new CommandError(
      EXITS.usage,
      'the key is typed where stderr is a terminal too, or comes from a pipe',
    )
  }
  if (!canAsk) return ((await textOf(stdin)).split('\n')[0] ?? '').trim()
  const silent = new Writable({
    write(_chunk, _encoding, done) {
      done()
    },
  })
  // The reader ends the echo of the terminal, so it is made before anybody is asked.
  const reader = createInterface({ input: stdin, output: silent, terminal: true })
  stderr.write(question)
  try {
    return await answerOf(reader, '')
  } finally {
    stderr.write('\n')
  }
}

/** Throws `CommandError` at Ctrl-C and Ctrl-D. */
async function answerOf(reader: Interface, question: string): Promise<string> {
  const end = new AbortController()
  reader.once('SIGINT', () => end.abort())
  reader.once('close', () => end.abort())
  try {
    return (await reader.question(question, { signal: end.signal })).trim()
  } catch (cause) {
    if (!end.signal.aborted) throw cause
    throw new CommandError(EXITS.interrupted, 'there is no answer, so nothing is done', { cause })
  } finally {
    reader.close()
  }
}
