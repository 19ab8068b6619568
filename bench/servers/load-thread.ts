/** The thread of `startLoadApart`: sends until it is told to stop, then tells what it saw. */
import { once } from 'node:events'
import { parentPort, workerData } from 'node:worker_threads'
import { startLoad } from '../../test/support/load.ts'
import type { ApartOptions } from '../load-apart.ts'

const { urls, ...options } = workerData as ApartOptions
const load = startLoad({ ...options, urls: () => urls })
if (parentPort) {
  await once(parentPort, 'message')
  parentPort.postMessage(await load.stop())
  parentPort.close()
}
