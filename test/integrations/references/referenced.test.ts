/** What is said of another integration whose record cannot be used, so that its labels are not known. */

import t from 'tap'
import type { Permit, Principal } from '../../../src/callers/policy.ts'
import { REFERENCES, type Reference } from '../../../src/callers/reference-table.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import { checkCertificateDeployment } from '../../../src/integrations/certificate-deployment.ts'
import type { Integration } from '../../../src/integrations/integration.ts'
import { lenderOf } from '../../../src/integrations/references/lending.ts'
import { checkTokenSource } from '../../../src/integrations/references/token-source.ts'
import { shownNames } from '../../../src/integrations/references/visible.ts'
import { integrationOf } from '../../support/integrations.ts'

const read = async (name: string): Promise<Integration | undefined> => {
  if (name === 'corrupt') throw new BrokerError('record_corrupt', 'It does not verify')
  return undefined
}
const store = { read, list: async () => ({ items: [], next: null }) }

const who = (
  permission: string,
  labels: Permit['labels'] = {},
  integrations = ['*'],
): Principal => ({
  ...{ id: 'api-key:k', kind: 'api_key', name: 'k' },
  permits: [{ permission: permission as Permit['permission'], integrations, labels }],
})

const definition = (other: string) =>
  integrationOf({
    grant: { type: 'token_exchange', clientId: '3MVG9', subjectToken: { integration: other } },
    credentialFrom: other,
    certificateDeployment: { through: other, app: 'App' },
  })

const CHECKS: Readonly<
  Record<Reference, (principal: Principal, other: string) => Promise<unknown>>
> = {
  credential: (principal, other) =>
    lenderOf({
      ...{ name: 'mine', definition: definition(other), current: undefined, principal, store },
    }),
  source: (principal, other) =>
    checkTokenSource({
      ...{ name: 'mine', definition: definition(other), current: undefined, principal, read },
    }),
  deployment: (principal, other) =>
    checkCertificateDeployment({
      ...{ name: 'mine', definition: definition(other), current: undefined, principal, read },
    }),
}

t.test('whether there is one shows to nobody who may not refer to it', async (t) => {
  for (const [reference, check] of Object.entries(CHECKS)) {
    const { permission } = REFERENCES[reference as Reference]
    const refused = { code: 'caller_forbidden' }
    for (const other of ['corrupt', 'absent', 'mine']) {
      await t.rejects(check(who('audit:read'), other), refused, `${reference} ${other}`)
      await t.rejects(check(who(permission, { team: 'a' }), other), refused, 'limited by labels')
      await t.rejects(check(who(permission, {}, ['mi']), other), refused, 'limited by name')
    }
    await t.rejects(check(who(permission), 'corrupt'), { code: 'record_corrupt' }, reference)
  }
})

t.test('an answer goes on without a name that nobody can judge', async (t) => {
  const principal = who('integrations:read', { team: 'a' })
  const integrations = {
    read: async (name: string) =>
      name === 'ours' ? integrationOf({ name, labels: { team: 'a' } }) : read(name),
  }
  const names = ['corrupt', 'gone', 'ours']
  t.same(await shownNames(names, { integrations, principal }), ['ours'])
  t.same(await shownNames(names, { integrations, principal: who('integrations:read') }), names)
  const away = async () => {
    throw new BrokerError('store_unavailable', 'It is away')
  }
  await t.rejects(shownNames(names, { integrations: { read: away }, principal }), {
    code: 'store_unavailable',
  })
})
