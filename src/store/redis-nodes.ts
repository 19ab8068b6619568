/** The nodes of a Redis Cluster: connected before they are needed, and asked who is the master where something went wrong. */
import type { Cluster, Redis } from 'ioredis'

export interface ClusterNodes {
  /** Settles when each node that is known was connected to, or could not be. */
  attempted(): Promise<void>
  /** A command failed: there may be another master by now. */
  troubled(): void
  leave(): void
}

const TROUBLED_MS = 500
/** Without trouble. */
const ROUNDS_AT_REST = 20

/**
 * By itself ioredis connects to a node with the first command for it, and refuses all others until
 * that has been answered; and the timer by which it would look for a new master outlives the client.
 */
export function attendNodes(cluster: Cluster): ClusterNodes {
  const attempts = new Set<Promise<void>>()
  const connect = (node: Redis) => {
    if (node.status !== 'wait') return
    // A node that cannot be reached now is tried again by itself.
    const attempt = node.connect().catch(() => undefined)
    attempts.add(attempt)
    void attempt.finally(() => attempts.delete(attempt))
  }
  cluster.on('ready', () => {
    for (const node of cluster.nodes()) connect(node)
  })
  cluster.on('+node', (node: Redis) => {
    // Before, a node must be left in peace: ioredis has still to ask one for the state of the Cluster.
    if (cluster.status === 'ready') connect(node)
  })

  let isTroubled = false
  let rounds = 0
  const timer = setInterval(() => {
    rounds += 1
    if (cluster.status !== 'ready' || !(isTroubled || rounds >= ROUNDS_AT_REST)) return
    isTroubled = false
    rounds = 0
    cluster.refreshSlotsCache()
  }, TROUBLED_MS).unref()

  return {
    async attempted() {
      await Promise.all(attempts)
    },
    troubled() {
      isTroubled = true
    },
    leave() {
      clearInterval(timer)
    },
  }
}
