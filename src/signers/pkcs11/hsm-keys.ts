/** The keys of a PKCS#11 token: found by their labels, read, and signed with. */
import { createHash } from 'node:crypto'
import type { SigningAlgorithm } from '../remote-key.ts'
import type { HsmPublicKey } from './hsm.ts'
import { attempt, type Cryptoki, type Handle, HsmError, type OpenToken } from './hsm-token.ts'

interface Named {
  readonly label: string
  readonly algorithm: SigningAlgorithm
}

/** Numbers of the standard (PKCS #11 2.40). */
const CKO_PRIVATE_KEY = 3
const CKO_PUBLIC_KEY = 2
const CKK: Readonly<Record<SigningAlgorithm, number>> = { RS256: 0, ES256: 3 }
const CKA = {
  class: 0,
  label: 3,
  keyType: 0x100,
  sign: 0x108,
  modulus: 0x120,
  exponent: 0x122,
  curve: 0x180,
  point: 0x181,
}
const CKM = { rsaPkcs: 1, sha256RsaPkcs: 0x40, ecdsa: 0x1041 }

/** The object identifier of P-256, in DER. */
const P256 = Buffer.from('06082a8648ce3d030107', 'hex')
/** Bytes of a coordinate of P-256. */
const COORDINATE = 32
/** The first byte of a point with both coordinates. */
const WHOLE_POINT = 4
/** DigestInfo of SHA-256 (RFC 8017, section 9.2), before the digest. */
const DIGEST_INFO = Buffer.from('3031300d060960864801650304020105000420', 'hex')
/** For a key of 16384 bits. */
const SIGNATURE_MAX = 2_048

export function createHsmKeys(cryptoki: Cryptoki) {
  const handlesOf = (session: Handle, kind: number, label: string): readonly Handle[] => {
    const template = [
      { type: CKA.class, value: kind },
      { type: CKA.label, value: label },
    ]
    cryptoki.C_FindObjectsInit(session, template)
    try {
      return cryptoki.C_FindObjects(session, 2)
    } finally {
      cryptoki.C_FindObjectsFinal(session)
    }
  }

  const valuesOf = (session: Handle, object: Handle, ...types: readonly number[]) =>
    cryptoki
      .C_GetAttributeValue(
        session,
        object,
        types.map((type) => ({ type })),
      )
      .map(({ value }) => value)

  /** The only private key with this label, which must fit the algorithm and sign. */
  const keyOf = (session: Handle, { keys }: OpenToken, { label, algorithm }: Named): Handle => {
    const name = `${algorithm} ${label}`
    const known = keys.get(name)
    if (known) return known
    const [key, another] = handlesOf(session, CKO_PRIVATE_KEY, label)
    if (!key) throw new HsmError('no_key')
    if (another) throw new HsmError('many_keys')
    const [type, signs] = valuesOf(session, key, CKA.keyType, CKA.sign)
    if (numberIn(type) !== CKK[algorithm] || !signs?.[0]) throw new HsmError('unfit_key')
    if (algorithm === 'ES256') {
      const [curve] = valuesOf(session, key, CKA.curve)
      if (!curve?.equals(P256)) throw new HsmError('unfit_key')
    }
    keys.set(name, key)
    return key
  }

  /** Some modules keep the exponent with the public key alone. */
  const rsaOf = (session: Handle, key: Handle, publicKey: Handle | undefined): HsmPublicKey => {
    const parts = attempt(() => valuesOf(session, key, CKA.modulus, CKA.exponent))
    const [modulus, exponent] = parts ?? []
    if (modulus?.length && exponent?.length) return { modulus, exponent }
    if (!publicKey) throw new HsmError('no_key')
    const [n, e] = valuesOf(session, publicKey, CKA.modulus, CKA.exponent)
    if (!n?.length || !e?.length) throw new HsmError('unfit_key')
    return { modulus: n, exponent: e }
  }

  /** The standard wraps the point in an OCTET STRING, and some modules do not. Only the public key has it for sure. */
  const pointOf = (session: Handle, key: Handle, publicKey: Handle | undefined): HsmPublicKey => {
    const ofPublic = publicKey && attempt(() => valuesOf(session, publicKey, CKA.point))
    const [value] = ofPublic ?? attempt(() => valuesOf(session, key, CKA.point)) ?? []
    if (!value?.length) throw new HsmError('no_key')
    const point = value.subarray(-(1 + 2 * COORDINATE))
    if (point.length !== 1 + 2 * COORDINATE || point[0] !== WHOLE_POINT) {
      throw new HsmError('unfit_key')
    }
    return { x: point.subarray(1, 1 + COORDINATE), y: point.subarray(1 + COORDINATE) }
  }

  return {
    /** Throws `HsmError`, and errors of the module. */
    publicKey(session: Handle, token: OpenToken, named: Named): HsmPublicKey {
      const key = keyOf(session, token, named)
      wayOf(token, named)
      const [publicKey] = handlesOf(session, CKO_PUBLIC_KEY, named.label)
      return (named.algorithm === 'ES256' ? pointOf : rsaOf)(session, key, publicKey)
    },
    /** Throws `HsmError`, and errors of the module. */
    async sign(session: Handle, token: OpenToken, named: Named, data: Uint8Array): Promise<Buffer> {
      const { mechanism, inputOf } = wayOf(token, named)
      cryptoki.C_SignInit(session, { mechanism }, keyOf(session, token, named))
      return cryptoki.C_SignAsync(session, inputOf(data), Buffer.alloc(SIGNATURE_MAX))
    },
  }
}

/** How the token signs, and over what. Throws `no_mechanism`. */
function wayOf({ mechanisms }: OpenToken, { algorithm }: Named) {
  if (algorithm === 'ES256') {
    if (mechanisms.has(CKM.ecdsa)) return { mechanism: CKM.ecdsa, inputOf: digestOf }
  } else if (mechanisms.has(CKM.sha256RsaPkcs)) {
    return { mechanism: CKM.sha256RsaPkcs, inputOf: (data: Uint8Array) => Buffer.from(data) }
  } else if (mechanisms.has(CKM.rsaPkcs)) {
    return {
      mechanism: CKM.rsaPkcs,
      inputOf: (data: Uint8Array) => Buffer.concat([DIGEST_INFO, digestOf(data)]),
    }
  }
  throw new HsmError('no_mechanism')
}

const digestOf = (data: Uint8Array): Buffer => createHash('sha256').update(data).digest()

/** An unsigned long of this machine. */
const numberIn = (value: Buffer | undefined): number =>
  value?.length === 8 ? Number(value.readBigUInt64LE()) : (value?.readUInt32LE() ?? -1)
