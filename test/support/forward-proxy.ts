/** A forward proxy in a process of its own, in each mood that one may be in. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Issued } from './authority.ts'
import { endWithThisProcess } from './children.ts'

/**
 * `well`: leads each tunnel to one port; a number: answers CONNECT with this status; `silent`: takes
 * the connection and never answers; `closes`, `resets`: in place of an answer; `garbage`: answers
 * something that is no HTTP; `late`: leads the tunnel once it is told to be something else; `hollow`: opens a tunnel that leads nowhere; `denies_user`: 407 unless
 * the user name and password are right.
 */
export type Mood =
  | 'well'
  | 'silent'
  | 'late'
  | 'closes'
  | 'resets'
  | 'garbage'
  | 'hollow'
  | 'denies_user'
  | number

export interface ForwardProxyOptions {
  readonly mood: Mood
  /** Where a tunnel leads to, whatever its name is. */
  readonly target: number
  /** It speaks TLS itself. */
  readonly tls?: Issued
  /** As they stand in the URL, before they are encoded. */
  readonly user?: { readonly name: string; readonly password: string }
}

export interface ForwardProxy {
  readonly port: number
  /** With the user name and password, where there are some. */
  readonly url: string
  /** Answers that are still owed stay so. */
  become(mood: Mood): Promise<void>
  /** `host:port` of every CONNECT so far. */
  targets(): Promise<readonly string[]>
  stop(): void
}

interface Teardown {
  teardown(end: () => unknown): void
}

const PROGRAM = fileURLToPath(new URL('forward-proxy-process.ts', import.meta.url))

/** Ends with the test. */
export async function forwardProxy(
  t: Teardown,
  options: ForwardProxyOptions,
): Promise<ForwardProxy> {
  const child = endWithThisProcess(fork(PROGRAM, { execArgv: [], env: {} }))
  const asked = async (message: object): Promise<unknown> => {
    const answer = once(child, 'message')
    child.send(message)
    const [received] = await answer
    return received
  }
  const port = Number(await asked({ start: options }))
  t.teardown(() => child.kill('SIGKILL'))
  const { user, tls } = options
  const pair = user ? `${encodeURIComponent(user.name)}:${encodeURIComponent(user.password)}@` : ''
  return {
    port,
    url: `${tls ? 'https' : 'http'}://${pair}127.0.0.1:${port}`,
    async become(mood) {
      await asked({ mood })
    },
    async targets() {
      return (await asked({ targets: true })) as string[]
    },
    stop: () => child.kill('SIGKILL'),
  }
}
