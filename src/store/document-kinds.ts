/** All kinds of documents: which ones a backup contains, and why the others are omitted. */

/** Kinds that cannot be created again. In the order of a backup. */
export const KEPT_KINDS = {
  'api-key': 'the keys of callers, as digests',
  'api-key-name': 'which key has which name',
  identity: 'the org and user that an integration is pinned to',
  subject: 'the org and user that its logins count for',
  callers: 'who fetched tokens within 30 days',
  deployment: 'deployments of certificates and secrets that are under way',
  'certificate-end': 'which ends of certificates were announced',
  revocation: 'tokens that Salesforce must still end, sealed',
  freezes: 'which integrations are frozen',
  freeze: 'how far each freeze was carried out',
} as const

/** Kinds that would be wrong after a restore, or that return by themselves. */
export const LEFT_KINDS = {
  store: 'of this very store',
  retired: 'begun anew for each retired credential that there is',
  connection: 'pending for minutes; who was connecting begins anew',
  'device-poll': 'the same',
  keyring: 'of this very store',
  'data-key': 'in the first line of the backup, because its lines are sealed with them',
  'replica-keyring': 'of replicas that run now',
  'mint-hours': 'of the past day: shown, and nothing depends on it',
  webhook: 'of the past: nobody wants to be called about it',
  'webhook-edge': 'found anew',
} as const

/**
 * A replica must read the announced keys of others even if it lacks the key of their codes. These
 * records grant no access. Data keys are read before there is a keyring; what wraps them proves them.
 */
const OPEN_KINDS: ReadonlySet<string> = new Set(['replica-keyring', 'data-key'])

/** Whether each document of this kind has an authentication code (`record-mac.ts`). */
export const isProvenKind = (kind: string): boolean => !OPEN_KINDS.has(kind)

export const PROVEN_KINDS: readonly string[] = [
  ...Object.keys(KEPT_KINDS),
  ...Object.keys(LEFT_KINDS),
].filter(isProvenKind)
