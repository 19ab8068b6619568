/** Recognises keys and certificates in an unsupported form and names the command that converts them. */
import { childrenOf, type DerElement, elementAt, hexOf, TAG } from './der.ts'

type ForeignForm =
  | 'pkcs12'
  | 'jks'
  | 'jceks'
  | 'der'
  | 'der_key'
  | 'der_certificate'
  | 'pkcs7'
  | 'trusted_certificate'
  | 'encrypted'
  | 'ec'
  | 'rsa_pss'
  | 'dsa'
  | 'edwards'
  | 'multi_prime'
  | 'openssh'
  | 'openssh_public'
  | 'putty'
  | 'jwk'
  | 'public_key'
  | 'certificate'
  | 'certificate_request'
  | 'private_key'

export type Wanted = 'private_key' | 'certificate'

const NEW_RSA_KEY =
  'Salesforce accepts only RSA keys: create one with `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem`'
const SEND_KEY = 'send the private key, which was created with the certificate request'
const KEYSTORE = 'send the file in base64 as `keystore` with its `passphrase`, or convert it with'

/** The name of each form, and the remedy when a private key or a certificate is expected. */
const FORMS: Readonly<
  Record<ForeignForm, { readonly is: string } & Readonly<Record<Wanted, string>>>
> = {
  pkcs12: {
    is: 'a PKCS#12 file',
    private_key: `${KEYSTORE} \`openssl pkcs12 -in keys.p12 -nocerts -nodes -out key.pem\``,
    certificate: `${KEYSTORE} \`openssl pkcs12 -in keys.p12 -clcerts -nokeys -out certificate.pem\``,
  },
  jks: {
    is: 'a Java keystore (JKS)',
    private_key: `${KEYSTORE} \`keytool -importkeystore -srckeystore keys.jks -destkeystore keys.p12 -deststoretype PKCS12\``,
    certificate: `${KEYSTORE} \`keytool -exportcert -rfc -alias ALIAS -keystore keys.jks -file certificate.pem\``,
  },
  jceks: {
    is: 'a Java keystore of type JCEKS',
    private_key:
      'convert it with `keytool -importkeystore -srckeystore keys.jceks -srcstoretype JCEKS -destkeystore keys.p12 -deststoretype PKCS12`, and send that in base64 as `keystore`',
    certificate:
      'convert it with `keytool -exportcert -rfc -alias ALIAS -keystore keys.jceks -storetype JCEKS -file certificate.pem`',
  },
  der: {
    is: 'in DER, not in PEM',
    private_key: 'convert it with `openssl pkey -inform DER -in key.der -out key.pem`',
    certificate:
      'convert it with `openssl x509 -inform DER -in certificate.der -out certificate.pem`',
  },
  der_key: {
    is: 'a private key in DER, not in PEM',
    private_key: 'convert it with `openssl pkey -inform DER -in key.der -out key.pem`',
    certificate: 'send the certificate',
  },
  der_certificate: {
    is: 'a certificate in DER, not in PEM',
    private_key: 'send the private key',
    certificate:
      'convert it with `openssl x509 -inform DER -in certificate.der -out certificate.pem`',
  },
  pkcs7: {
    is: 'a PKCS#7 bundle',
    private_key: 'it contains only certificates: send the private key',
    certificate:
      'convert it with `openssl pkcs7 -print_certs -in bundle.p7b -out certificate.pem` (and `-inform DER` if it is not PEM), and send the first certificate of the result',
  },
  trusted_certificate: {
    is: 'a TRUSTED CERTIFICATE of OpenSSL',
    private_key: 'send the private key',
    certificate: 'convert it with `openssl x509 -in trusted.pem -out certificate.pem`',
  },
  encrypted: {
    is: 'an encrypted private key',
    private_key:
      'send its `passphrase` with it, or remove the encryption with `openssl pkey -in encrypted.pem -out key.pem`',
    certificate: 'send the certificate',
  },
  ec: { is: 'an EC key', private_key: NEW_RSA_KEY, certificate: 'send the certificate' },
  rsa_pss: {
    is: 'a key for RSA-PSS only, which cannot sign RS256',
    private_key: NEW_RSA_KEY,
    certificate: 'send the certificate',
  },
  dsa: { is: 'a DSA key', private_key: NEW_RSA_KEY, certificate: 'send the certificate' },
  edwards: {
    is: 'a key of an Edwards or Montgomery curve',
    private_key: NEW_RSA_KEY,
    certificate: 'send the certificate',
  },
  multi_prime: {
    is: 'an RSA key of three primes or more',
    private_key: `it needs two primes. ${NEW_RSA_KEY}`,
    certificate: 'send the certificate',
  },
  openssh: {
    is: 'in OpenSSH format',
    private_key: 'convert a copy of it with `ssh-keygen -p -m PKCS8 -f copy.key`',
    certificate: 'send the certificate',
  },
  openssh_public: {
    is: 'a public key of OpenSSH',
    private_key: 'send the private key',
    certificate: 'send the certificate',
  },
  putty: {
    is: 'in PuTTY format',
    private_key: 'convert it with `puttygen key.ppk -O private-openssh -o key.pem`',
    certificate: 'send the certificate',
  },
  jwk: {
    is: 'a JSON Web Key (JWK)',
    private_key:
      "convert it with `node -p \"crypto.createPrivateKey({ key: JSON.parse(fs.readFileSync('key.json')), format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' })\"`",
    certificate: 'send the certificate',
  },
  public_key: {
    is: 'a public key',
    private_key: 'send the private key',
    certificate: 'send the certificate',
  },
  certificate: {
    is: 'a certificate',
    private_key: 'send the private key',
    certificate: 'send it as PEM',
  },
  certificate_request: {
    is: 'a certificate request',
    private_key: SEND_KEY,
    certificate: 'send the certificate that the CA issued for it',
  },
  private_key: {
    is: 'a private key',
    private_key: 'send it as PEM',
    certificate: 'send the certificate',
  },
}

/** For example `it is a PKCS#12 file: convert it with …`. */
export const wordsFor = (form: ForeignForm, wanted: Wanted): string =>
  `it is ${FORMS[form].is}: ${FORMS[form][wanted]}`

const BY_LABEL: Readonly<Record<string, ForeignForm>> = {
  'ENCRYPTED PRIVATE KEY': 'encrypted',
  'PUBLIC KEY': 'public_key',
  'RSA PUBLIC KEY': 'public_key',
  'SSH2 PUBLIC KEY': 'openssh_public',
  CERTIFICATE: 'certificate',
  'X509 CERTIFICATE': 'certificate',
  'TRUSTED CERTIFICATE': 'trusted_certificate',
  'CERTIFICATE REQUEST': 'certificate_request',
  'NEW CERTIFICATE REQUEST': 'certificate_request',
  PKCS7: 'pkcs7',
  'PKCS #7 SIGNED DATA': 'pkcs7',
  CMS: 'pkcs7',
  'EC PRIVATE KEY': 'ec',
  'EC PARAMETERS': 'ec',
  'DSA PRIVATE KEY': 'dsa',
  'OPENSSH PRIVATE KEY': 'openssh',
  'PRIVATE KEY': 'private_key',
  'RSA PRIVATE KEY': 'private_key',
}

export const formOfLabel = (label: string): ForeignForm | undefined =>
  Object.hasOwn(BY_LABEL, label) ? BY_LABEL[label] : undefined

/** By the OBJECT IDENTIFIER of a PKCS#8 key (RFC 8018, 5915, 8410), in hexadecimal. */
const BY_ALGORITHM: Readonly<Record<string, ForeignForm>> = {
  '2a864886f70d01010a': 'rsa_pss',
  '2a8648ce3d0201': 'ec',
  '2a8648ce380401': 'dsa',
  '2b656e': 'edwards',
  '2b656f': 'edwards',
  '2b6570': 'edwards',
  '2b6571': 'edwards',
}
const PKCS7_TYPE = '2a864886f70d0107'

/** The unsupported form of a private key in DER (PKCS#8, PKCS#1, SEC 1). Undefined for an RSA key with two primes and for other data. */
export function formOfKey(der: Buffer): ForeignForm | undefined {
  const [version, second, third] = partsOf(der)
  if (version?.tag !== TAG.integer) return undefined
  if (second?.tag === TAG.integer && third?.tag === TAG.integer) {
    return hexOf(der, version) === '01' ? 'multi_prime' : undefined
  }
  if (second?.tag === TAG.octetString) return 'ec'
  if (second?.tag !== TAG.sequence || third?.tag !== TAG.octetString) return undefined
  const [algorithm] = childrenOf(der, second)
  const known = algorithm && BY_ALGORITHM[hexOf(der, algorithm)]
  return known ?? formOfKey(der.subarray(third.from, third.to))
}

/** The form of bytes without PEM. */
export function formOfBytes(bytes: Buffer): ForeignForm | undefined {
  if (bytes.length < 16) return undefined
  const magic = bytes.readUInt32BE(0)
  if (magic === 0xfeedfeed) return 'jks'
  if (magic === 0xcececece) return 'jceks'
  if (bytes.subarray(0, 14).toString('latin1') === 'openssh-key-v1') return 'openssh'
  if (bytes[0] !== TAG.sequence) return undefined
  const [first, second, third] = partsOf(bytes)
  if (first?.tag === TAG.oid && hexOf(bytes, first).startsWith(PKCS7_TYPE)) return 'pkcs7'
  const isContent = second?.tag === TAG.sequence && childrenOf(bytes, second)[0]
  if (first?.tag === TAG.integer && hexOf(bytes, first) === '03' && isContent) return 'pkcs12'
  if (first?.tag === TAG.integer && second?.tag === TAG.integer && !third) return 'public_key'
  if (first?.tag === TAG.integer) return formOfKey(bytes) ?? 'der_key'
  if (first?.tag === TAG.sequence && second?.tag === TAG.octetString) return 'encrypted'
  if (first?.tag === TAG.sequence && second?.tag === TAG.bitString) return 'public_key'
  if (first?.tag === TAG.sequence && second?.tag === TAG.sequence && third) {
    // A certificate has six or more fields (RFC 5280), a request three or four (RFC 2986).
    return childrenOf(bytes, first).length < 6 ? 'certificate_request' : 'der_certificate'
  }
  return undefined
}

/** The PEM label for these bytes, if they are what is expected. */
export function labelOfBytes(bytes: Buffer, wanted: Wanted): string | undefined {
  const form = formOfBytes(bytes)
  if (wanted === 'certificate') return form === 'der_certificate' ? 'CERTIFICATE' : undefined
  if (form === 'encrypted') return 'ENCRYPTED PRIVATE KEY'
  if (form !== 'der_key') return undefined
  return isPkcs1(bytes) ? 'RSA PRIVATE KEY' : 'PRIVATE KEY'
}

/** Whether an RSA key in DER is PKCS#1 and not PKCS#8. */
export const isPkcs1 = (der: Buffer): boolean => partsOf(der)[1]?.tag === TAG.integer

const partsOf = (der: Buffer): readonly DerElement[] => {
  const outer = elementAt(der, 0)
  return outer?.tag === TAG.sequence ? childrenOf(der, outer) : []
}

/** The form of bytes that were decoded as UTF-8 or Latin-1, by their first characters. */
function formOfBrokenBytes(text: string): ForeignForm | undefined {
  const head = text.slice(0, 24)
  if (/^(?:\u00fe\u00ed\u00fe\u00ed|\ufffd{4})/.test(head) && head.includes('\0\0\0')) return 'jks'
  if (head.startsWith('\u00ce\u00ce\u00ce\u00ce')) return 'jceks'
  if (!/^0[\u0080-\u0084\ufffd]/.test(head)) return undefined
  if (head.slice(1, 10).includes('\u0002\u0001\u00030')) return 'pkcs12'
  return head.slice(1, 10).includes('\u0006\t*') ? 'pkcs7' : 'der'
}

const BASE64 = /^[A-Za-z0-9+/_=\s-]{24,}$/

/** The form of a text without a PEM block. */
export function formOfText(text: string): ForeignForm | undefined {
  const trimmed = text.trim()
  if (trimmed.startsWith('PuTTY-User-Key-File-')) return 'putty'
  if (/\\?"kty\\?"\s*:/.test(trimmed)) return 'jwk'
  if (/^(?:ssh-|ecdsa-sha2-)[a-z0-9-]+ AAAA/.test(trimmed)) return 'openssh_public'
  const broken = formOfBrokenBytes(text)
  if (broken) return broken
  return BASE64.test(trimmed) ? formOfBytes(Buffer.from(trimmed, 'base64')) : undefined
}
