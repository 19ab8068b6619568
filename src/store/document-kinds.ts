/** Every kind of document: which ones a backup holds, and why the others are left out. */

/** What cannot be had again, or would be missed. In the order in which they are written. */
export const KEPT_KINDS = {
  'api-key': 'the keys of callers, as digests',
  'api-key-name': 'which key has which name',
  identity: 'the org and user that an integration is pinned to',
  subject: 'the org and user that its logins count for',
  callers: 'who fetched tokens within 30 days',
  deployment: 'deployments of certificates and secrets that are under way',
  'certificate-end': 'which ends of certificates were announced',
  revocation: 'tokens that Salesforce has still to end, sealed',
} as const

/** What would be wrong after a restore, or comes back by itself. */
export const LEFT_KINDS = {
  store: 'of this very store',
  retired: 'begun anew for each retired credential that there is',
  connection: 'pending for minutes; who was connecting begins anew',
  'device-poll': 'the same',
  keyring: 'of this very store',
  'replica-keyring': 'of replicas that run now',
  webhook: 'of the past: nobody wants to be called about it',
  'webhook-edge': 'found anew',
} as const

/** What replicas say of their keyrings must be heard above all by one that lacks the key of another. Nothing is allowed to anybody by it. */
const OPEN_KINDS: ReadonlySet<string> = new Set(['replica-keyring'])

/** Each document of another kind has a code beside it that proves it (`record-mac.ts`). */
export const isProvenKind = (kind: string): boolean => !OPEN_KINDS.has(kind)

export const PROVEN_KINDS: readonly string[] = [
  ...Object.keys(KEPT_KINDS),
  ...Object.keys(LEFT_KINDS),
].filter(isProvenKind)
