/** What an answer shows of an integration: to whom, and the names of which others. */
import type { Static } from 'typebox'
import type { Principal } from '../callers/policy.ts'
import type { Integration } from './integration.ts'
import type { IntegrationStore } from './integration-store.ts'
import type { FollowerIndex } from './references/follower-index.ts'
import { isShown, shownNames } from './references/visible.ts'
import type { IntegrationView, WrittenView } from './schemas/schemas.ts'
import type { IntegrationStatus } from './status.ts'
import { integrationViewOf, putOf, writtenOf } from './view.ts'

export interface Answers {
  /** For a page: all but who signs with its credential. */
  listed(
    integration: Integration,
    status: IntegrationStatus,
    principal: Principal,
  ): Promise<Static<typeof IntegrationView>>
  /** For whoever may see it. */
  shown(integration: Integration, principal: Principal): Promise<Static<typeof IntegrationView>>
  /** To whoever wrote it, where it may not see it: after a `PUT` what it put, after a `PATCH` that it is written, and no more. */
  written(
    integration: Integration,
    principal: Principal,
    how: 'put' | 'patched',
  ): Promise<Static<typeof WrittenView>>
}

interface AnswersDependencies {
  readonly store: Pick<IntegrationStore, 'read'>
  readonly followers: Pick<FollowerIndex, 'of'>
  readonly statusOf: (integration: Integration) => Promise<IntegrationStatus>
}

export function createAnswers({ store, followers, statusOf }: AnswersDependencies): Answers {
  const ofWhatIsShown = async (
    status: IntegrationStatus,
    principal: Principal,
  ): Promise<IntegrationStatus> => {
    const { sharesTokenWith } = status
    if (sharesTokenWith.length === 0) return status
    const of = { integrations: store, principal }
    return { ...status, sharesTokenWith: await shownNames(sharesTokenWith, of) }
  }

  const lentTo = async (
    { name, credentials }: Integration,
    principal: Principal,
  ): Promise<readonly string[]> => {
    if (credentials.length === 0) return []
    const found = await followers.of(name)
    return found.filter((one) => isShown(principal, one)).map((one) => one.name)
  }

  const listed: Answers['listed'] = async (integration, status, principal) =>
    integrationViewOf(integration, await ofWhatIsShown(status, principal))

  return {
    listed,
    async shown(integration, principal) {
      const [status, lent] = await Promise.all([
        statusOf(integration),
        lentTo(integration, principal),
      ])
      return listed(integration, { ...status, lentTo: lent }, principal)
    },
    async written(integration, principal, how) {
      if (isShown(principal, integration)) {
        return listed(integration, await statusOf(integration), principal)
      }
      return how === 'put' ? putOf(integration) : writtenOf(integration)
    },
  }
}
