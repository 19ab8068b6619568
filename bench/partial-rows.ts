/** Rows of `npm run bench -- faults` about a Redis that is there, and does less than it should. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import {
  firstSentence,
  type PartialResult,
  type PartialTrouble,
  partialTrouble,
} from './cases/partial-trouble.ts'
import { onFleet, type Row, shareOk } from './fault-row.ts'

const PER_SECOND = 300
const DURATION_MS = 10_000
const PAUSE_MS = 5_000

const set = (redis: Redis, name: string, value: string) => redis.config('SET', name, value)

/** Between two resets of all connections of one replica, each in its turn. */
const RESET_MS = 300

function resets(): PartialTrouble {
  let timer: NodeJS.Timeout | undefined
  return {
    losesAnswers: true,
    async begin({ replicas }) {
      let at = 0
      timer = setInterval(() => {
        const proxy = replicas[at % replicas.length]?.proxy
        proxy?.set('reset')
        proxy?.set('pass')
        at += 1
      }, RESET_MS)
    },
    async end() {
      clearInterval(timer)
    },
  }
}

/** Whoever asks is told BUSY once it has run for so long. */
const BUSY_MS = 200
const ENDLESS = 'while true do end'

export type TroubleName = keyof typeof TROUBLES

export const TROUBLES = {
  'memory is full': {
    begin: (_fleet, redis) => set(redis, 'maxmemory', '1'),
    end: (_fleet, redis) => set(redis, 'maxmemory', '0'),
  },
  'the disk is full (MISCONF)': {
    async begin(_fleet, redis) {
      await set(redis, 'save', '3600 1')
      await set(redis, 'dir', '/proc')
      await redis.bgsave()
      while (!(await redis.info('persistence')).includes('rdb_last_bgsave_status:err')) {
        await sleep(10)
      }
    },
    async end({ redis: { dir } }, redis) {
      await set(redis, 'dir', dir)
      await set(redis, 'save', '')
    },
  },
  'it takes no changes (a shard without its replicas)': {
    begin: (_fleet, redis) => set(redis, 'min-replicas-to-write', '1'),
    end: (_fleet, redis) => set(redis, 'min-replicas-to-write', '0'),
  },
  'it becomes a read replica of nobody (READONLY)': {
    begin: (_fleet, redis) => redis.replicaof('127.0.0.1', 1),
    end: (_fleet, redis) => redis.replicaof('NO', 'ONE'),
  },
  // Nobody can end it early: the command that would is paused, too.
  'it is paused (CLIENT PAUSE)': {
    begin: (_fleet, redis) => redis.client('PAUSE', PAUSE_MS, 'ALL'),
    end: (_fleet, redis) => redis.ping(),
  },
  'a script of somebody else runs without an end, until SCRIPT KILL': {
    async begin({ redis: { url } }, redis) {
      await set(redis, 'busy-reply-threshold', String(BUSY_MS))
      const other = redis.duplicate()
      // It ends by the kill.
      void other.eval(ENDLESS, 0).catch(() => other.disconnect())
      return url
    },
    end: (_fleet, redis) => redis.script('KILL'),
  },
  'each answer comes 200 ms late': {
    isSlow: true,
    async begin({ replicas }) {
      for (const { proxy } of replicas) proxy.slow({ delayMs: () => 200 })
    },
    async end({ replicas }) {
      for (const { proxy } of replicas) proxy.slow(undefined)
    },
  },
  'its connections are reset, some commands in a hundred are lost': resets(),
} as const satisfies Readonly<Record<string, PartialTrouble>>

/** Nobody who reads a token may notice, and each change is done whole or not at all. */
export function holds({ hits, half, dead, p99Ms, causes, told }: PartialResult): boolean {
  return (
    shareOk(hits) === hits.length &&
    half.length === 0 &&
    dead === 0 &&
    p99Ms < 50 &&
    causes.length + told.length > 0
  )
}

function row(name: string, trouble: PartialTrouble): Row {
  return {
    what: `Redis: ${name}, for ${DURATION_MS / 1_000} s; 2 replicas, ${PER_SECOND} requests/s`,
    must: '0 errors of hits, p99 under 50 ms; each change done or refused, never half; the operator reads why',
    run: onFleet(
      { replicas: 2, proxied: true, redisArgs: ['--enable-protected-configs', 'local'] },
      async (fleet) => {
        const result = await partialTrouble(fleet, {
          ...{ name: 'partial', trouble, durationMs: DURATION_MS, perSecond: PER_SECOND },
        })
        const {
          hits,
          half,
          dead,
          unanswered,
          p99Ms,
          done,
          refused,
          slowestChangeMs,
          causes,
          told,
        } = result
        return {
          shown: `${hits.length - shareOk(hits)} errors of ${hits.length}, ${dead} dead tokens, p99 ${p99Ms} ms; ${done} changes done, ${refused} refused in at most ${slowestChangeMs} ms, ${half.length} half, ${unanswered} of which it was not known; log: ${causes.join(', ') || 'nothing'}; \`/readyz\`: ${[...new Set(told.map(firstSentence))].join('; ') || 'nothing'}`,
          holds: holds(result),
        }
      },
    ),
  }
}

export const PARTIAL: readonly Row[] = Object.entries(TROUBLES).map(([name, trouble]) =>
  row(name, trouble),
)
