/** Stores refresh tokens, sealed and bound to their integration, family, login host and client. */
import { Type } from 'typebox'
import type { Keyring } from '../crypto/keyring.ts'
import { Secret } from '../crypto/secret.ts'
import { StoredDpopKey } from '../dpop/dpop-key.ts'
import { BrokerError } from '../errors/errors.ts'
import type { Custodies, CustodyRecord } from '../store/custody.ts'
import { bodyReader } from '../store/record-body.ts'
import { Binding, bodyOf, type CustodyBody, type LostReason, SETTLE_MS } from './connection.ts'

export interface CustodyTarget {
  readonly name: string
  readonly uid: string
  readonly loginUrl: string
}

export interface CustodyLook {
  /** Undefined: there is none, or it belongs to a former integration with this name. */
  readonly record: CustodyRecord | undefined
  /** The family of any integration with this name. `begin` expects it. */
  readonly family: string | null
  /** Time of the store. */
  readonly now: number
}

/** A successor that this process got. A store that went back in time lacks it. */
export interface SealedCustody {
  readonly family: string
  readonly g: number
  readonly token: string
}

export type CustodyStore = ReturnType<typeof createCustodyStore>

const readSealed = bodyReader(
  Type.Object({
    ...Binding.properties,
    refreshToken: Type.String(),
    /** The key that the refresh token was requested with. Each use of the token is proven with it. Absent: it was requested without. */
    dpopKey: Type.Optional(StoredDpopKey),
  }),
)

/** What is sealed with a refresh token. */
export interface SealedBinding extends Binding {
  readonly dpopKey?: StoredDpopKey
}

/** Interval of looks at an idle token. Whether it is exercised depends on a setting. */
export const LOOK_MS = 6 * 3_600_000

export function createCustodyStore(dependencies: {
  readonly custody: Custodies
  readonly keyring: Pick<Keyring, 'seal' | 'open'>
}) {
  const { custody, keyring } = dependencies
  const sealName = ({ name, uid }: Pick<CustodyTarget, 'name' | 'uid'>, family: string) =>
    `custody:${name}:${uid}:${family}`

  const sealed = (
    target: Pick<CustodyTarget, 'name' | 'uid'>,
    family: string,
    token: Secret,
    { loginUrl, clientId, dpopKey }: SealedBinding,
  ) => {
    const text = JSON.stringify({ refreshToken: token.reveal(), loginUrl, clientId, dpopKey })
    return keyring.seal(sealName(target, family), text)
  }

  return {
    async read({ name, uid }: Pick<CustodyTarget, 'name' | 'uid'>): Promise<CustodyLook> {
      const { record, now } = await custody.read(name)
      const own = record?.uid === uid ? record : undefined
      return { record: own, family: record?.family ?? null, now }
    },

    /** Opens the token of a record. Throws `record_corrupt`. */
    async open(
      target: Pick<CustodyTarget, 'name' | 'uid'>,
      record: CustodyRecord,
    ): Promise<SealedBinding & { readonly token: Secret }> {
      const text = await keyring.open(sealName(target, record.family), record.token)
      const { refreshToken, ...binding } = readSealed(
        text,
        `of the refresh token of integration ${target.name}`,
      )
      const { loginUrl, clientId } = bodyOf(target.name, record)
      if (loginUrl !== binding.loginUrl || clientId !== binding.clientId) {
        throw new BrokerError(
          'record_corrupt',
          `The refresh token of integration ${target.name} was sealed for another client`,
        )
      }
      return { ...binding, token: new Secret(refreshToken) }
    },

    async begin(
      target: Pick<CustodyTarget, 'name' | 'uid'>,
      expected: string | null,
      family: string,
      given: {
        readonly token: Secret
        readonly body: CustodyBody
        readonly dpopKey?: StoredDpopKey | undefined
      },
    ): Promise<'begun' | 'changed' | 'gone'> {
      const { token, body, dpopKey } = given
      const binding = { ...body, ...(dpopKey && { dpopKey }) }
      return custody.begin(target.name, {
        ...{ uid: target.uid, expected, family, reason: '', body: JSON.stringify(body) },
        token: await sealed(target, family, token, binding),
        lookInMs: LOOK_MS,
      })
    },

    /** Begins a family without a token. */
    end: (
      { name, uid }: Pick<CustodyTarget, 'name' | 'uid'>,
      expected: string,
      family: string,
      { reason, body }: { readonly reason: LostReason; readonly body: CustodyBody },
    ): Promise<'begun' | 'changed' | 'gone'> =>
      custody.begin(name, {
        ...{ uid, expected, family, token: '', reason, body: JSON.stringify(body) },
        lookInMs: LOOK_MS,
      }),

    async seal(
      target: Pick<CustodyTarget, 'name' | 'uid'>,
      { family, g }: Pick<CustodyRecord, 'family' | 'g'>,
      token: Secret,
      binding: SealedBinding,
    ): Promise<SealedCustody> {
      return { family, g: g + 1, token: await sealed(target, family, token, binding) }
    },

    /** KEEP of the protocol. `doubt`: the id of the doubt about the token. Absent: there is none. */
    keep: (name: string, { family, g, token }: SealedCustody, doubt?: string): Promise<boolean> =>
      custody.keep(name, {
        ...{ family, g, token },
        ...(doubt === undefined ? { lookInMs: LOOK_MS } : { lookInMs: SETTLE_MS, doubt }),
      }),
  }
}
