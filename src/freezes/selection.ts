/** Which freezes select an integration. Pure. */
import type { Integration } from '../integrations/integration.ts'
import type { Freeze, Selector } from './freeze.ts'

/** An integration with what its selection depends on. */
export type Selectable = Pick<Integration, 'name' | 'labels' | 'grant' | 'credentials' | 'identity'>

/** The freezes in force, prepared for many questions. */
export interface Selection {
  /** The first freeze that selects it. `orgIds`: orgs that its tokens are known to belong to. */
  find(integration: Selectable, orgIds: readonly string[]): Freeze | undefined
  /** All of them. */
  findAll(integration: Selectable, orgIds: readonly string[]): readonly Freeze[]
  /** Whether any freeze selects by org, so that the org of an integration matters. */
  readonly usesOrgs: boolean
}

/** Ids of 15 and of 18 characters are the same in the first 15. */
const ID_CHARACTERS = 15
const shortId = (id: string) => id.slice(0, ID_CHARACTERS)

export function selectionOf(freezes: readonly Freeze[]): Selection {
  const tests = freezes.map((freeze) => ({ freeze, selects: selectorTest(freeze.selector) }))
  return {
    find: (integration, orgIds) =>
      tests.find(({ selects }) => selects(integration, orgIds))?.freeze,
    findAll: (integration, orgIds) =>
      tests.filter(({ selects }) => selects(integration, orgIds)).map(({ freeze }) => freeze),
    usesOrgs: freezes.some(({ selector }) => selector.orgIds.length > 0),
  }
}

/** Whether a selector selects an integration. */
export function selectorTest({ all, ...selector }: Selector) {
  const names = new Set(selector.integrations)
  const labels = Object.entries(selector.labels)
  const clients = new Set(selector.clientIds)
  const orgs = new Set(selector.orgIds.map(shortId))
  return (integration: Selectable, orgIds: readonly string[]): boolean =>
    all ||
    names.has(integration.name) ||
    (labels.length > 0 && labels.every(([key, value]) => integration.labels[key] === value)) ||
    (clients.size > 0 && clientsOf(integration).some((client) => clients.has(client))) ||
    (orgs.size > 0 && orgsOf(integration, orgIds).some((org) => orgs.has(shortId(org))))
}

/** All clients that it may log in as, also those of staged and retired credentials. */
const clientsOf = ({ grant, credentials }: Selectable): readonly string[] =>
  [grant.clientId, ...credentials.map(({ clientId }) => clientId)].filter(
    (client) => typeof client === 'string',
  )

const orgsOf = ({ identity }: Selectable, orgIds: readonly string[]): readonly string[] =>
  identity.expect?.orgId === undefined ? orgIds : [...orgIds, identity.expect.orgId]
