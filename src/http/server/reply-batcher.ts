/** Answers that leave together: all those that one turn of the event loop has found. */
import type { FastifyReply } from 'fastify'

export type ReplyBatcher = ReturnType<typeof createReplyBatcher>

/**
 * A write to a socket wakes whoever waits at its other end, and leaves the caches of the processor to
 * the kernel. Written one by one between two requests, answers cost half as much again as when a turn
 * first understands all its requests, and then writes all its answers.
 */
export function createReplyBatcher() {
  let replies: FastifyReply[] = []
  let texts: string[] = []

  const leave = () => {
    const leaving = replies
    const saying = texts
    replies = []
    texts = []
    for (const [index, reply] of leaving.entries()) sendOne(reply, saying[index] ?? '')
  }

  return {
    /** Sends the text at the end of this turn, behind those that were found before it. Never throws. */
    send(reply: FastifyReply, text: string): void {
      texts.push(text)
      if (replies.push(reply) === 1) setImmediate(leave)
    },
  }
}

/** One that cannot be sent must not keep the others. */
function sendOne(reply: FastifyReply, text: string): void {
  try {
    reply.send(text)
  } catch (error) {
    reply.log.error({ err: error }, 'an answer could not be sent')
    reply.raw.destroy()
  }
}
