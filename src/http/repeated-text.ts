/** What the last text of each connection means: a client that keeps a connection sends the same text again and again. */
import type { Socket } from 'node:net'

interface Last<Meaning> {
  readonly text: string
  readonly meaning: Meaning
}

/** Longer texts are not kept, so that open connections hold little. Characters. */
const KEPT_MAX = 4_096

/** `read` is called if the text differs from the last one of its connection. Throws as it does. The meaning must not be changed. */
export function createRepeatedText<Meaning>(
  read: (text: string) => Meaning,
): (socket: Socket, text: string) => Meaning {
  const lastOf = new WeakMap<Socket, Last<Meaning>>()
  return (socket, text) => {
    const last = lastOf.get(socket)
    if (last?.text === text) return last.meaning
    const meaning = read(text)
    if (text.length <= KEPT_MAX) lastOf.set(socket, { text, meaning })
    return meaning
  }
}
