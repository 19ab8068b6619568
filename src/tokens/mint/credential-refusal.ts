/** Adds the names of the tried credentials to a refusal of them. Pure. */
import type { Credential } from '../../credentials/credential.ts'
import {
  grantRefused,
  type Refusal,
  refusalOf,
  SPREADING_MINUTES,
  spreading,
} from '../../grants/refusals/refusals.ts'

/** The refused credentials of a mint. */
interface TriedCredentials {
  /** In the order active, staged, retired. */
  readonly credentials: readonly Pick<Credential, 'id' | 'type' | 'state' | 'certificate'>[]
  /** Whether the integration owns them. False: another one does. */
  readonly isOwn: boolean
}

/** The same error with a text for the tried credentials. With two or more, the text names propagation as a reason. */
export function refusedWith(error: unknown, tried: TriedCredentials): unknown {
  const refusal = refusalOf(error)
  return refusal ? grantRefused(wordsFor(refusal, tried)) : error
}

function wordsFor(refusal: Refusal, tried: TriedCredentials): Refusal {
  const { credentials, isOwn } = tried
  const [first, ...others] = credentials
  if (!first || (others.length === 0 && first.type !== 'certificate')) return refusal
  const staged = credentials.find(({ state }) => state === 'staged')
  const words = {
    ...refusal,
    cause: `${refusal.cause} Tried: ${named(credentials)}.`,
    remedy: certificateRemedy(staged ?? first, isOwn) ?? refusal.remedy,
  }
  return others.length === 0 ? words : spreading(words)
}

/** The text for one credential that was about to become active. The usual reason is that the app does not have it yet. */
export function refusedActivation(
  refusal: Refusal,
  { id, type, state, certificate }: Credential,
  path: string,
): Refusal {
  const wait = `a change there takes up to ${SPREADING_MINUTES} minutes to reach all of Salesforce's servers. Then activate it again`
  const todo =
    type === 'certificate'
      ? `Upload ${certificate ? `its certificate (GET ${path}/certificate)` : 'the certificate of this key'} to the app, if that is not done yet, and wait: ${wait}.`
      : `Compare it with the secret of the app, rotate that there, if it is not done yet, and wait: ${wait}.`
  return {
    ...refusal,
    class: 'propagating',
    cause: `Salesforce does not take the ${state} ${wordFor(type)} ${id} yet: the app does not have it, or not on all of Salesforce's servers.`,
    remedy: todo,
  }
}

const WORDS: Readonly<Record<Credential['type'], string>> = {
  certificate: 'key',
  client_secret: 'client secret',
  refresh_token: 'credential',
}
const wordFor = (type: Credential['type']): string => WORDS[type]

const named = (credentials: TriedCredentials['credentials']): string =>
  credentials.map(({ id, type, state }) => `the ${state} ${wordFor(type)} ${id}`).join(', ')

/** Undefined: no certificate is missing. */
function certificateRemedy(
  { id, type, state, certificate }: TriedCredentials['credentials'][number],
  isOwn: boolean,
): string | undefined {
  if (type !== 'certificate') return undefined
  const from = isOwn && certificate ? ` (GET …/credentials/${id}/certificate)` : ''
  return `Upload the certificate of the ${state} key ${id}${from} to the app, if that is not done yet; a change there takes up to ${SPREADING_MINUTES} minutes.`
}
