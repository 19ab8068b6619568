/** What can be told of a credential without asking anybody: whether key and certificate go together, and when the certificate ends. Pure. */
import type { Credential } from '../credentials/credential.ts'
import { matches, parseCertificate } from '../crypto/certificate.ts'
import { parsePrivateKey } from '../crypto/key-pair.ts'
import { BrokerError } from '../errors/errors.ts'
import type { OpenCredential } from '../grants/grant.ts'
import { type DiagnosisCheck, failed, failedBy, passed, warned } from './check.ts'

const DAY_MS = 86_400_000
/** From here on it is time to act, and from there on to plan: the countdown begins there, too. */
const NEAR_DAYS = 14
const SOON_DAYS = 60

type OpenKey = Extract<OpenCredential, { type: 'certificate' }>

export function checkKeyPair(
  { certificate }: Credential,
  open: OpenKey,
  now: number,
): DiagnosisCheck {
  if (!certificate) {
    return warned(
      'key_pair',
      'The key has no certificate here, so that they cannot be compared.',
      'Stage the key with its certificate, to be warned of its end.',
    )
  }
  try {
    const key = parsePrivateKey(open.privateKey.reveal())
    const parsed = parseCertificate(certificate.pem, { now, expiredIsWarning: true })
    const [warning] = parsed.warnings
    if (matches(key, parsed) && warning !== undefined) {
      return warned(
        'key_pair',
        `The key belongs to the certificate. ${warning}.`,
        'Stage a new key with its certificate before other software refuses this one.',
      )
    }
    return matches(key, parsed)
      ? passed('key_pair', `The key of ${parsed.keyBits} bits belongs to the certificate.`)
      : failed(
          'key_pair',
          'The private key does not belong to the certificate.',
          'Stage a key with the certificate that belongs to it.',
        )
  } catch (error) {
    if (!(error instanceof BrokerError)) throw error
    return failedBy('key_pair', error)
  }
}

/** Undefined: there is none. */
export function checkCertificate(
  { certificate }: Credential,
  now: number,
): DiagnosisCheck | undefined {
  if (!certificate) return undefined
  const days = Math.floor((certificate.notAfter - now) / DAY_MS)
  const end = new Date(certificate.notAfter).toISOString()
  const remedy = 'Stage a new key with its certificate, and upload that; no caller notices.'
  if (days < 0) {
    const isMinded = 'Salesforce does not mind for signatures, but audits do.'
    return failed('certificate', `It ended at ${end}. ${isMinded}`, remedy)
  }
  const detail = `It ends in ${days} days, at ${end}.`
  if (days <= NEAR_DAYS) return failed('certificate', detail, remedy)
  return days <= SOON_DAYS ? warned('certificate', detail, remedy) : passed('certificate', detail)
}
