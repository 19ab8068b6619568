/** What signatures cost without all else: in bare `node:http`, which signs as often as it is asked. No proof can cost less. */
import { costOf, type Measured } from './cost.ts'
import { load } from './load.ts'

export interface SignatureFloor {
  /** CPU time of all threads, for an answer with one signature less one without. */
  readonly oneUs: number
  /** The same for as many as a request may ask for. */
  readonly batchUs: number
  /** p50 of an answer with one signature less one without, one request at a time. */
  readonly p50Ms: number
}

/** Answers without a signature, with one and with `atOnce`, in turn. `server`: `servers/signing.ts`. */
export async function measureSignatures(
  server: Measured,
  { seconds, atOnce }: { readonly seconds: number; readonly atOnce: number },
): Promise<SignatureFloor> {
  const cpuOf = async (count: number) =>
    (await costOf(server, { path: `/${count}`, seconds })).processUs
  const p50Of = async (count: number) =>
    (await load({ url: `${server.url}/${count}`, seconds, connections: 1 })).p50Ms
  const none = await cpuOf(0)
  const oneUs = (await cpuOf(1)) - none
  const batchUs = (await cpuOf(atOnce)) - none
  return { oneUs, batchUs, p50Ms: (await p50Of(1)) - (await p50Of(0)) }
}
