/** What a REST call with a token looks like from one place: to be laid beside what it looks like from another. */
import { BrokerError } from '../../errors/errors.ts'
import type { ProbeResult } from './probe.ts'

export interface RestSight {
  /** Null: there was no answer of Salesforce. */
  readonly status: number | null
  /** Empty: none. */
  readonly errorCode: string
  /** Empty: none. Printable. */
  readonly message: string
}

/** Throws what is no problem of the way or of Salesforce: a bug. */
export async function sightOf(probe: Promise<ProbeResult>): Promise<RestSight> {
  try {
    const result = await probe
    if (result.verdict === 'live') return { status: 200, errorCode: '', message: '' }
    return result.refusal.said
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    return { status: null, errorCode: '', message: error.detail }
  }
}

export const isGood = ({ status }: RestSight): boolean =>
  status !== null && status >= 200 && status < 300
