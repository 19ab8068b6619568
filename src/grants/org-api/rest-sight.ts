/** The result of a REST call with a token as seen from one place, for comparison with another place. */
import { BrokerError } from '../../errors/errors.ts'
import type { ProbeResult } from './probe.ts'

export interface RestSight {
  /** Null: Salesforce did not answer. */
  readonly status: number | null
  /** Empty: none. */
  readonly errorCode: string
  /** Empty: none. Printable. */
  readonly message: string
}

/** Rethrows errors that neither the network nor Salesforce caused. */
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
