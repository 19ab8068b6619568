/** Rows of the table of problems about signers. */
export const SIGNER_PROBLEMS = {
  signing_refused: {
    status: 502,
    title: 'The signer refuses',
    meaning:
      'The key or the secret of the integration, or the key of the keyring, is at a signer (Vault, OpenBao, AWS KMS, an HSM), which refuses to use it or to give it; `detail` says why. Salesforce was not asked.',
    remedy: 'Mend the key, the policy or the login at the signer; the next mint tries it again.',
  },
  signer_unavailable: {
    status: 503,
    title: 'The signer is not available',
    meaning:
      'The key or the secret of the integration, or the key of the keyring, is at a signer (Vault, OpenBao, AWS KMS, an HSM), which does not answer. Salesforce was not asked. Tokens that live are still served.',
    remedy: 'Wait as long as `Retry-After` says; check the signer and the network to it.',
  },
} as const
