/** Runs a command of an image as Kubernetes would: process 1, not root, on a root that is read-only. Without an engine, and on this machine's network. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { endWithThisProcess } from './children.ts'
import { eventually } from './eventually.ts'

export interface Mount {
  /** On this machine. */
  readonly from: string
  readonly to: string
  readonly readOnly?: boolean
}

export interface ContainerOptions {
  /** The file system of the image. */
  readonly root: string
  /** `UID:GID`. */
  readonly user: string
  readonly env: Readonly<Record<string, string>>
  readonly command: readonly string[]
  /** Beside `/proc` and a `/tmp` of its own. */
  readonly mounts?: readonly Mount[]
}

export interface Container {
  /** Of its process 1, as this machine counts. */
  readonly pid: number
  /** Both streams so far. */
  output(): string
  isRunning(): boolean
  kill(signal: NodeJS.Signals): void
  /** Waits for the end. */
  status(): Promise<number | NodeJS.Signals>
}

/** Its arguments: the root, how many mounts, three for each of them, then the command. */
const ENTER = `set -e
root=$1; count=$2; shift 2
mount --bind "$root" "$root"
mount --options remount,ro,bind "$root"
mount --types tmpfs --options mode=1777,nosuid,nodev tmpfs "$root/tmp"
mount --types proc proc "$root/proc"
while [ "$count" -gt 0 ]; do
  mount --bind "$1" "$root$2"
  mount --options "remount,$3,bind" "$root$2"
  shift 3; count=$((count - 1))
done
exec "$@"`

interface Teardown {
  teardown(end: () => unknown): void
}

/** Ends with the test. */
export async function startContainer(t: Teardown, options: ContainerOptions): Promise<Container> {
  const { root, user, env, command, mounts = [] } = options
  // As a runtime does it, before the root becomes read-only.
  for (const { to } of mounts) {
    if (!existsSync(join(root, to))) mkdirSync(join(root, to), { recursive: true })
  }
  const triples = mounts.flatMap(({ from, to, readOnly }) => [from, to, readOnly ? 'ro' : 'rw'])
  const child = endWithThisProcess(
    spawn(
      'unshare',
      [
        ...['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private'],
        ...['sh', '-c', ENTER, 'sh', root, String(mounts.length), ...triples],
        ...[
          '/usr/bin/env',
          '-i',
          ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
        ],
        ...['/usr/bin/setpriv', '--no-new-privs'],
        ...['/usr/sbin/chroot', `--userspec=${user}`, '--groups=', root, ...command],
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    ),
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const isRunning = () => child.exitCode === null && child.signalCode === null
  const pid = await eventually(() => {
    if (!isRunning()) return -1
    return Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8'))
  })
  return {
    pid,
    output: () => output,
    isRunning,
    kill: (signal) => void process.kill(pid, signal),
    async status() {
      const [code, by] = await ended
      return code ?? by ?? 0
    },
  }
}

/** What a command says, and how it ends. */
export async function runInContainer(t: Teardown, options: ContainerOptions) {
  const container = await startContainer(t, options)
  const status = await container.status()
  return { status, output: container.output() }
}
