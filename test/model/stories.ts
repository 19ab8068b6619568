/** What chance alone seldom brings about: each step is a command, and the last one is a read that must not give what it could. */
import {
  type Command,
  DEGRADED_MS,
  freeze,
  link,
  mend,
  pass,
  type Reality,
  read,
  revoke,
  salesforceIs,
} from './commands.ts'
import type { LinkMode } from './faulty-store.ts'

/** Longer than memory may serve without word from the store, and a moment. */
const DEGRADED_TRIED_MS = DEGRADED_MS + 1_500

const story = (name: string, steps: (reality: Reality) => readonly Command[]): Command => ({
  check: () => true,
  toString: () => name,
  async run(model, reality) {
    for (const step of steps(reality)) await step.run(model, reality)
  },
})

const other = (index: number) => 1 - index
export const plainRead = (index: number, name: string) => read(index, name, 0, 'nothing', true)

/** A replica that hears nothing for longer than it may serve from memory, while its lease is revoked elsewhere. */
export const cutOff = (index: number, name: string, mode: LinkMode) =>
  story(`${index} is cut off from the store, which is ${mode}, with ${name} in memory`, () => [
    mend,
    plainRead(index, name),
    link(index, mode),
    revoke(other(index), name, true),
    pass(DEGRADED_TRIED_MS),
    plainRead(index, name),
  ])

/** The same where it is frozen elsewhere; then it hears the store again. */
export const cutOffFromFreeze = (index: number, name: string, mode: LinkMode) =>
  story(`${index} is cut off from the store, which is ${mode}, while ${name} is frozen`, () => [
    mend,
    plainRead(index, name),
    link(index, mode),
    freeze(other(index), name, false, true),
    plainRead(index, name),
    link(index, 'up'),
    pass(1_200),
    plainRead(index, name),
  ])

/** The same, but it hears the store again before it is asked. */
export const heardAgain = (index: number, name: string) =>
  story(`${index} is cut off while ${name} is revoked, and hears the store again`, () => [
    mend,
    plainRead(index, name),
    link(index, 'down'),
    revoke(other(index), name, true),
    link(index, 'up'),
    pass(1_200),
    plainRead(index, name),
  ])

/** A lease in memory comes to its end while there is no other to be had. */
export const outlived = (index: number, name: string, mode: LinkMode) =>
  story(
    `${name} ends while Salesforce is down and the store is ${mode} for ${index}`,
    (reality) => {
      const endsAt = reality.served.get(name)?.expiresAt ?? 0
      const leftMs = endsAt - reality.time.now()
      if (leftMs <= 0) return []
      return [salesforceIs('down'), link(index, mode), pass(leftMs + 1_000), plainRead(index, name)]
    },
  )
