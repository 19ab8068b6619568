/** Checks of a credential without network: the key matches the certificate, and the certificate has not expired. */
import type { Credential } from '../credentials/credential.ts'
import type { OutsideMember } from '../credentials/outside.ts'
import { matches, parseCertificate } from '../crypto/certificate.ts'
import { parsePrivateKey } from '../crypto/key-pair.ts'
import { BrokerError } from '../errors/errors.ts'
import { isRemote, publicKeyOf } from '../grants/assertion.ts'
import type { OpenCredential } from '../grants/grant.ts'
import { problemRemedyOf } from '../http/problems/remedy.ts'
import { type DiagnosisCheck, failed, failedBy, passed, warned } from './check.ts'

const DAY_MS = 86_400_000
/** Below the first limit the check fails; below the second it warns, and expiry notices begin. */
export const NEAR_DAYS = 14
export const SOON_DAYS = 60
export const CERTIFICATE_REMEDY =
  'Stage a new key with its certificate, and upload the certificate; callers are not affected.'

type OpenKey = Extract<OpenCredential, { type: 'certificate' }>

export function checkKeyPair(
  { certificate }: Credential,
  open: OpenKey,
  now: number,
): DiagnosisCheck {
  if (!certificate) {
    return warned(
      'key_pair',
      'The broker has no certificate for the key, so the two cannot be compared.',
      'Stage the key with its certificate, to be warned before it expires.',
    )
  }
  try {
    const key = keyOf(open)
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

/** Undefined: its secret is in no vault. */
export function checkSecret(
  { outside }: Credential,
  trouble: BrokerError | undefined,
): DiagnosisCheck | undefined {
  if (!outside) return undefined
  if (trouble) {
    return warned(
      'secret',
      `It could not be read again: ${trouble.detail}. The one in memory is used while this process runs.`,
      trouble.remedy ?? problemRemedyOf(trouble),
    )
  }
  const places = Object.entries(outside.sources).map(([member, { name, path }]) => {
    const version = outside.versions[member as OutsideMember]
    return `${path} of the vault ${name}${version === undefined ? '' : `, version ${version}`}`
  })
  return passed('secret', `It was read from ${[...new Set(places)].join(' and ')}.`)
}

/** A key at a signer was asked for its public half when it was written. */
const keyOf = ({ privateKey }: OpenKey) =>
  isRemote(privateKey)
    ? { keyObject: publicKeyOf(privateKey) }
    : parsePrivateKey(privateKey.reveal())

export function checkCertificate(
  { certificate }: Credential,
  now: number,
): DiagnosisCheck | undefined {
  if (!certificate) return undefined
  const days = Math.floor((certificate.notAfter - now) / DAY_MS)
  const end = new Date(certificate.notAfter).toISOString()
  const remedy = CERTIFICATE_REMEDY
  if (days < 0) {
    const consequence = 'Salesforce still accepts its signatures, but audits may not.'
    return failed('certificate', `It expired at ${end}. ${consequence}`, remedy)
  }
  const detail = `It expires in ${days} days, at ${end}.`
  if (days <= NEAR_DAYS) return failed('certificate', detail, remedy)
  return days <= SOON_DAYS ? warned('certificate', detail, remedy) : passed('certificate', detail)
}
