/** One mint: open the credential, ask Salesforce, learn how long the token lives. Writes nothing. */
import { activeOf, openCredential } from '../credentials/credential.ts'
import { BrokerError } from '../errors.ts'
import type { GrantContext, OpenCredential, TokenAnswer } from '../grants/grant.ts'
import { grantOf } from '../grants/index.ts'
import { clientIdOf, digestOf, type Integration } from '../integrations/integration.ts'
import type { SealedIntegration } from '../integrations/integration-store.ts'
import {
  configuredExpiry,
  type Expiry,
  expiryOf,
  type Lease,
  refreshAtOf,
  tokenIdOf,
} from './lease.ts'

export interface Minter {
  /** One attempt at Salesforce for the integration as it is now. Throws what the grant throws, and `integration_draft`, `integration_disabled`, `record_corrupt`. */
  mint(name: string): Promise<Lease>
}

export interface MinterDependencies {
  readonly integrations: { readSealed(name: string): Promise<SealedIntegration | undefined> }
  readonly grants: GrantContext
  readonly now: () => number
  readonly random: () => number
  readonly log: { warn(bindings: object, message: string): void }
}

/** One attempt at Salesforce. */
const ATTEMPT_MS = 4_000

interface Signer {
  readonly clientId: string
  readonly credential: OpenCredential
}

export function createMinter(dependencies: MinterDependencies): Minter {
  const { integrations, grants, now, random, log } = dependencies

  const signerOf = async (integration: Integration, sealed: SealedIntegration): Promise<Signer> => {
    const from = integration.credentialFrom
    const owner = from === null ? sealed : await integrations.readSealed(from)
    const active = owner && activeOf(owner.integration.credentials)
    const clientId = active && clientIdOf(integration, active)
    if (!owner || !active || clientId === undefined) {
      throw new BrokerError(
        'integration_draft',
        'The integration has no client id or no credential yet',
      )
    }
    const secret = (await owner.open()).byId[active.id]
    if (!secret) {
      throw new BrokerError('record_corrupt', 'The secret of the active credential is missing')
    }
    return { clientId, credential: openCredential(secret) }
  }

  /** Only where the answer does not say: introspection once, else one REST call that proves the token and slides its session. */
  const learnExpiry = async (
    integration: Integration,
    signer: Signer,
    answer: TokenAnswer,
    mintedAt: number,
  ): Promise<Expiry> => {
    const configured = configuredExpiry(mintedAt, integration.tokenLifetime)
    const signal = AbortSignal.timeout(ATTEMPT_MS)
    try {
      const introspected = await grantOf(integration.grant.type).introspect?.(
        { loginUrl: integration.loginUrl, settings: integration.grant, ...signer, signal },
        answer.accessToken,
        grants,
      )
      if (introspected?.active && introspected.expiresAt !== undefined) {
        return { expiresAt: introspected.expiresAt, source: 'introspection' }
      }
      await grants.endpoint.probe({
        instanceUrl: answer.instanceUrl,
        accessToken: answer.accessToken,
        signal,
      })
    } catch (error) {
      log.warn(
        { err: error, integration: integration.name },
        'the lifetime of a token could not be learned',
      )
    }
    return configured
  }

  return {
    async mint(name) {
      const sealed = await integrations.readSealed(name)
      if (!sealed)
        throw new BrokerError('integration_not_found', 'There is no integration of this name')
      const { integration } = sealed
      if (!integration.enabled) {
        throw new BrokerError('integration_disabled', 'The integration is disabled')
      }
      const signer = await signerOf(integration, sealed)
      const mintedAt = now()
      const answer = await grantOf(integration.grant.type).request(
        {
          loginUrl: integration.loginUrl,
          settings: integration.grant,
          ...signer,
          signal: AbortSignal.timeout(ATTEMPT_MS),
        },
        grants,
      )
      const expiry =
        expiryOf(answer, mintedAt) ?? (await learnExpiry(integration, signer, answer, mintedAt))
      if (expiry.expiresAt <= now()) {
        throw new BrokerError('token_response_invalid', 'The token had expired when it came')
      }
      return {
        integration: name,
        uid: integration.uid,
        accessToken: answer.accessToken,
        tokenId: tokenIdOf(answer.accessToken),
        instanceUrl: answer.instanceUrl,
        ...pick(answer),
        issuedAt: answer.issuedAt ?? mintedAt,
        mintedAt,
        expiresAt: expiry.expiresAt,
        refreshAt: refreshAtOf(mintedAt, expiry.expiresAt, random),
        expirySource: expiry.source,
        digest: digestOf(integration, signer.clientId),
      }
    },
  }
}

const OPTIONAL = ['apiInstanceUrl', 'scope', 'orgId', 'userId', 'identityUrl'] as const

/** What Salesforce gave, and nothing where it gave nothing. */
function pick(answer: TokenAnswer): Partial<Pick<Lease, (typeof OPTIONAL)[number]>> {
  return Object.fromEntries(
    OPTIONAL.flatMap((member) => (answer[member] === undefined ? [] : [[member, answer[member]]])),
  )
}
