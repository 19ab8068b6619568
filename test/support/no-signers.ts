/** The signers of a service that has none. */
import { createSigners } from '../../src/signers/signers.ts'

const unexpected = () => {
  throw new Error('The test expects no signer')
}

export const NO_SIGNERS = createSigners({
  ...{ settings: [], backendOf: unexpected, monotonic: () => 0 },
  meter: { signed: unexpected },
  log: { info: unexpected, warn: unexpected },
})
