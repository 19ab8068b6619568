/** Examines integrations of the store. Concurrent requests for one integration share a run. */
import type { Actor } from '../audit/event.ts'
import { type Credential, openCredential } from '../credentials/credential.ts'
import { atSignerIn } from '../credentials/dpop-keys.ts'
import type { OutsideSecrets } from '../credentials/outside-secrets.ts'
import { proofKeyIn } from '../dpop/dpop-rule.ts'
import { BrokerError } from '../errors/errors.ts'
import { type Integration, presentsRefreshToken } from '../integrations/integration.ts'
import type { SealedIntegration } from '../integrations/integration-store.ts'
import { readLender } from '../integrations/references/lending.ts'
import type { DoctorMint } from '../tokens/mint/doctor-mint.ts'
import { NO_CREDENTIAL } from '../tokens/refresh/preflight.ts'
import type { DiagnosisTarget } from './diagnosis-target.ts'
import type { Doctor, Report } from './doctor.ts'

export type DoctorService = ReturnType<typeof createDoctorService>

interface DoctorServiceDependencies {
  readonly doctor: Doctor
  readonly readSealed: (name: string) => Promise<SealedIntegration | undefined>
  readonly mint: DoctorMint
  readonly outside: Pick<OutsideSecrets, 'filled'>
  /** Why the secret of an integration could not be read again from its vault. */
  readonly secretTrouble: (name: string) => BrokerError | undefined
}

export function createDoctorService(dependencies: DoctorServiceDependencies) {
  const { doctor, readSealed, mint, outside, secretTrouble } = dependencies
  const underWay = new Map<string, Promise<Report>>()

  const targetOf = (
    sealed: SealedIntegration,
    owner: SealedIntegration | undefined,
    by: Actor,
  ): DiagnosisTarget => {
    const { integration } = sealed
    const credentials = owner?.integration.credentials ?? []
    return {
      integration,
      credentials: isPublic(integration, credentials) ? [NO_CREDENTIAL] : credentials,
      async open(credential) {
        if (credential === NO_CREDENTIAL) return { type: 'refresh_token' }
        const secrets = owner && (await outside.filled(await owner.open()))
        const secret = secrets?.byId[credential.id]
        if (!secret) {
          throw new BrokerError('record_corrupt', 'The secret of a credential is missing')
        }
        return openCredential(secret)
      },
      proofKey: async () =>
        proofKeyIn(integration) ? atSignerIn((await sealed.open()).dpopKeys) : undefined,
      ...(owner && troubleIn(secretTrouble(owner.integration.name))),
      charge: () => mint.charge(integration),
      mint: (charge) => mint.mint(integration, charge, by),
    }
  }

  return {
    /** Returns the report of a run in progress, if any. Throws `integration_not_found` or `store_unavailable`. */
    async test(name: string, by: Actor): Promise<Report> {
      const sealed = await readSealed(name)
      if (!sealed) {
        throw new BrokerError('integration_not_found', 'No integration has this name')
      }
      const { credentialFrom } = sealed.integration
      const owner =
        credentialFrom === null ? sealed : await readLender({ readSealed }, credentialFrom)
      const key = keyOf(sealed.integration, owner?.integration)
      const running = underWay.get(key)
      if (running) return running
      const run = doctor.examine(targetOf(sealed, owner, by)).finally(() => underWay.delete(key))
      underWay.set(key, run)
      return run
    },
  }
}

const troubleIn = (trouble: BrokerError | undefined): Pick<DiagnosisTarget, 'secretTrouble'> =>
  trouble ? { secretTrouble: trouble } : {}

/** The app requires no secret, so its refresh token is sufficient. */
const isPublic = (integration: Integration, credentials: readonly Credential[]): boolean =>
  presentsRefreshToken(integration) &&
  integration.credentialFrom === null &&
  credentials.length === 0

/** Changes with either record, so that a new request does not get an old report. */
const keyOf = (...of: readonly (Integration | undefined)[]) =>
  of.map((one) => `${one?.uid}:${one?.version}`).join(' ')
