/** Loaded before whatever is measured (`node --import`): tells, on a socket of its own, what its process has spent so far. */
import crypto from 'node:crypto'
import { subscribe } from 'node:diagnostics_channel'
import { createServer } from 'node:http'
import { syncBuiltinESMExports } from 'node:module'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapSpaceStatistics } from 'node:v8'
import type { Spent } from '../probe.ts'

/** Whatever signs, verifies, opens or seals; digests and random bytes are not among them. */
const NODE_OPERATIONS = [
  ...['sign', 'verify', 'createSign', 'createVerify', 'createCipheriv', 'createDecipheriv'],
  ...['publicEncrypt', 'publicDecrypt', 'privateEncrypt', 'privateDecrypt', 'diffieHellman'],
  ...['createPrivateKey', 'createPublicKey', 'generateKeyPair', 'generateKeyPairSync'],
]
const WEB_OPERATIONS = [
  ...['sign', 'verify', 'encrypt', 'decrypt', 'wrapKey', 'unwrapKey', 'importKey', 'generateKey'],
]

const counts = new Map<string, number>()

function countCalls(holder: object, names: readonly string[], kind: string): void {
  for (const name of names) {
    const original: unknown = Reflect.get(holder, name)
    if (typeof original !== 'function') throw new TypeError(`There is no ${kind}.${name}`)
    const counted = function (this: unknown, ...args: unknown[]): unknown {
      counts.set(`${kind}.${name}`, (counts.get(`${kind}.${name}`) ?? 0) + 1)
      return Reflect.apply(original, this, args)
    }
    Object.defineProperty(holder, name, { value: counted, configurable: true, writable: true })
  }
}

countCalls(crypto, NODE_OPERATIONS, 'crypto')
countCalls(Object.getPrototypeOf(crypto.webcrypto.subtle), WEB_OPERATIONS, 'subtle')
// What was imported by name sees the counted ones, too.
syncBuiltinESMExports()

/** From the moment that a request left for Salesforce until its answer was there whole. */
let outboundMs = 0
const leftAt = new WeakMap<object, number>()
subscribe('undici:client:sendHeaders', (message) => {
  leftAt.set(requestIn(message), performance.now())
})
for (const end of ['undici:request:trailers', 'undici:request:error']) {
  subscribe(end, (message) => {
    const began = leftAt.get(requestIn(message))
    if (began !== undefined) outboundMs += performance.now() - began
  })
}

function requestIn(message: unknown): object {
  return (message as { readonly request: object }).request
}

const RESOLUTION_MS = 1
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
/** It measures from one tick to the next. */
const lateMs = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS)

/** Compiled code: there is more of it the longer a process runs, whatever it holds. */
const CODE_SPACES = /code|trusted/

const dataBytes = (): number =>
  getHeapSpaceStatistics()
    .filter(({ space_name: name }) => !CODE_SPACES.test(name))
    .reduce((sum, { space_used_size: used }) => sum + used, 0)

function spent(): Spent {
  const { user, system } = process.cpuUsage()
  const main = process.threadCpuUsage()
  return {
    cpuUs: user + system,
    userUs: user,
    mainUs: main.user + main.system,
    rssBytes: process.memoryUsage.rss(),
    heapBytes: process.memoryUsage().heapUsed,
    dataBytes: dataBytes(),
    loopMaxMs: lateMs(delay.max),
    loopP99Ms: lateMs(delay.percentile(99)),
    outboundMs,
    cryptoCalls: Object.fromEntries(counts),
  }
}

/** By path. */
const ACTIONS: Readonly<Record<string, () => void>> = {
  '/read': () => undefined,
  '/collect': () => globalThis.gc?.(),
  '/watch': () => {
    delay.reset()
    delay.enable()
  },
  '/unwatch': () => void delay.disable(),
}

const path = process.env.BENCH_PROBE
if (path === undefined) throw new Error('BENCH_PROBE must name a socket')
createServer((request, response) => {
  ACTIONS[request.url ?? '']?.()
  response.end(JSON.stringify(spent()))
})
  .listen(path)
  .unref()
