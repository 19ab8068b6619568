/** Builds the answers that show an integration, with only what the principal may see. */
import type { Static } from 'typebox'
import { allowsAll, type Principal } from '../callers/policy.ts'
import { NAMED_IN_ANSWERS } from '../callers/reference-table.ts'
import type { Integration } from './integration.ts'
import type { IntegrationStore } from './integration-store.ts'
import type { FollowerIndex } from './references/follower-index.ts'
import { isShown, shownNames } from './references/visible.ts'
import type { IntegrationView, WrittenView } from './schemas/schemas.ts'
import type { IntegrationStatus } from './status.ts'
import { integrationViewOf, putOf, writtenOf } from './view.ts'

/** Whether the principal of an answer may see these names. */
type ShownNames = Map<string, Promise<boolean>>

/** Most integrations with the same token that an answer names. */
const SHARERS_MAX = 20

export interface Answers {
  /** The form in a page. `known`: what the page has looked up already. It does not name the integrations that sign with this one's credential. */
  listed(
    integration: Integration,
    status: IntegrationStatus,
    principal: Principal,
    known?: ShownNames,
  ): Promise<Static<typeof IntegrationView>>
  /** The form for a principal that may see the integration. */
  shown(integration: Integration, principal: Principal): Promise<Static<typeof IntegrationView>>
  /** The form for a writer that may not see the integration. A `PUT` gets back what it sent. A `PATCH` only gets that it is written. */
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

/** The form in a page alone. */
export function createListed({ store }: Pick<AnswersDependencies, 'store'>): Answers['listed'] {
  /** Who may see only some gets only their number, as far as they were looked at. */
  const ofWhatIsShown = async (
    status: IntegrationStatus,
    principal: Principal,
    known: ShownNames,
  ) => {
    const { sharesTokenWith: names, sharersCount } = status
    if (names.length === 0) return status
    const seesAll = allowsAll(principal, NAMED_IN_ANSWERS)
    const shown = seesAll
      ? names
      : await shownNames(names, { integrations: store, principal }, known)
    return {
      ...status,
      sharesTokenWith: shown.slice(0, SHARERS_MAX),
      sharersCount: seesAll ? sharersCount : shown.length,
    }
  }

  return async (integration, status, principal, known = new Map()) =>
    integrationViewOf(integration, await ofWhatIsShown(status, principal, known))
}

export function createAnswers({ store, followers, statusOf }: AnswersDependencies): Answers {
  const listed = createListed({ store })

  const lentTo = async ({ name, credentials }: Integration, principal: Principal) => {
    if (credentials.length === 0) return []
    const found = await followers.of(name)
    return found.filter((one) => isShown(principal, one)).map((one) => one.name)
  }

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
