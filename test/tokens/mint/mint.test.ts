import t from 'tap'
import type { Credential, CredentialState } from '../../../src/credentials/credential.ts'
import { Secret } from '../../../src/crypto/secret.ts'
import { BrokerError } from '../../../src/errors/errors.ts'
import type { RefusalRow } from '../../../src/grants/refusals/refusal-row.ts'
import { REFUSALS } from '../../../src/grants/refusals/refusal-table.ts'
import { classify, grantRefused, refusalOf } from '../../../src/grants/refusals/refusals.ts'
import {
  DEFAULTS,
  digestOf,
  digestsOf,
  type Integration,
} from '../../../src/integrations/integration.ts'
import type { SealedIntegration } from '../../../src/integrations/integration-store.ts'
import { createEvents } from '../../../src/runtime/events.ts'
import { createMinter } from '../../../src/tokens/mint/mint.ts'
import type { MintRecords } from '../../../src/tokens/mint/opened-integration.ts'
import type { RefreshTokenPreflight } from '../../../src/tokens/refresh/preflight.ts'
import type { Lease } from '../../../src/tokens/serve/lease.ts'
import type { TokenEvents } from '../../../src/tokens/token-events.ts'
import { testRuntime } from '../../support/runtime.ts'

const BAD_SIGNATURE = grantRefused(
  classify({ error: 'invalid_grant', errorDescription: 'invalid assertion' }),
)
const NOT_APPROVED = grantRefused(
  classify({ error: 'invalid_grant', errorDescription: "user hasn't approved this consumer" }),
)

const credential = (id: string, state: CredentialState, clientId: string | null = null) =>
  ({ id, state, clientId, type: 'certificate', certificate: null }) as Credential

interface Special {
  readonly otherIdentity?: BrokerError
  /** What the store says that leases may be minted for. */
  readonly digests?: readonly string[]
}

const LATER = Number.POSITIVE_INFINITY

function setUp(
  credentials: readonly Credential[],
  judge: (keyId: string, request: number) => BrokerError | undefined,
  change: Partial<Integration> = {},
  { otherIdentity, ...known }: Special = {},
) {
  const integration: Integration = {
    ...DEFAULTS,
    name: 'billing',
    uid: 'u',
    version: 1,
    labels: {},
    loginUrl: 'https://acme.my.salesforce.com',
    grant: { type: 'jwt_bearer', clientId: 'app', username: 'x@y.z' } as Integration['grant'],
    identity: { pin: 'org_and_user' },
    credentialFrom: null,
    credentials,
    managedBy: 'api',
    createdAt: 1,
    updatedAt: 1,
    ...change,
  }
  const byId = Object.fromEntries(
    credentials.map(({ id }) => [id, { type: 'certificate' as const, privateKey: id }]),
  )
  const requests: string[] = []
  const clients: string[] = []
  const promoted: string[] = []
  const outdated: string[] = []
  let clock = 1_000
  let refusals = 0
  let charges = 0
  let reads = 0
  const events = createEvents<TokenEvents>()
  events.on('credential.refused', () => {
    refusals += 1
  })
  const minter = createMinter({
    integrations: {
      requireThawed: async () => undefined,
      filled: async (secrets) => secrets,
      readSealed: async () => {
        reads += 1
        const sealed: SealedIntegration = {
          integration,
          digests: known.digests ?? digestsOf(integration, credentials),
          open: async () => ({ byId, known: [] }),
          seal: { secrets: '', definition: '' },
        }
        return sealed
      },
    },
    requester: {
      async request(_integration, signer, charge) {
        await charge()
        const { credential, clientId } = signer
        const signed = credential.type === 'certificate' ? credential.privateKey : undefined
        const key = signed instanceof Secret ? signed.reveal() : ''
        requests.push(key)
        clients.push(clientId)
        const error = judge(key, requests.length)
        if (error) throw error
        return { tokenId: key, digest: digestOf(integration, clientId) } as Lease
      },
      ready: async () => undefined,
      learn: () => Promise.reject(new Error('No lease lacks the life of its token')),
      introspectRefreshToken: () => Promise.reject(new Error('There are no refresh tokens')),
    },
    // Of another kind of grant: whoever asks it is wrong.
    preflight: {} as RefreshTokenPreflight,
    credentials: {
      promote: async (_owner, id) => {
        promoted.push(id)
      },
      follow: async (name) => {
        outdated.push(name)
      },
    },
    events,
    identity: {
      ...{ subjectOf: async () => undefined, lastSeen: () => undefined },
      known: async () => ({ version: null, pin: undefined }),
      check: async () => {
        if (otherIdentity) throw otherIdentity
      },
    },
    runtime: testRuntime({
      monotonic: () => clock,
      sleep: async (ms) => {
        clock += ms
      },
    }),
  })
  const mint = (hasWorked = true, deadlineAt = LATER, records?: Promise<MintRecords>) =>
    minter.mint(
      'billing',
      {
        hasWorked: async () => hasWorked,
        deadlineAt,
        charge: async () => {
          charges += 1
        },
      },
      records,
    )
  return {
    minter,
    mint,
    requests,
    clients,
    promoted,
    outdated,
    refusals: () => refusals,
    charges: () => charges,
    reads: () => reads,
  }
}

const only =
  (...working: readonly string[]) =>
  (key: string) =>
    working.includes(key) ? undefined : BAD_SIGNATURE

t.test('what was read before the mint is not read again', async (t) => {
  const { minter, mint, reads } = setUp([credential('a', 'active')], only('a'))
  const records = minter.read({ name: 'billing', uid: 'u' })
  t.match(await mint(true, LATER, records), { tokenId: 'a' })
  t.equal(reads(), 1)
  await mint()
  t.equal(reads(), 2, 'and a mint by itself reads')
})

t.test('one credential is tried once, and its refusal is an ordinary one', async (t) => {
  const { mint, requests } = setUp([credential('a', 'active')], only())
  await t.rejects(mint(), { code: 'grant_refused', status: 424 })
  t.same(requests, ['a'])
})

t.test(
  'the staged key is tried when the signature of the active one is refused, and promoted',
  async (t) => {
    const { mint, requests, promoted, refusals, charges } = setUp(
      [credential('a', 'active'), credential('s', 'staged')],
      only('s'),
    )
    t.match(await mint(), { tokenId: 's' })
    t.same(requests, ['a', 's'])
    t.same(promoted, ['s'])
    t.equal(refusals(), 1)
    t.equal(charges(), 2, 'each try is a login')
  },
)

t.test('a staged key is not promoted while the active one works', async (t) => {
  const { mint, requests, promoted } = setUp(
    [credential('a', 'active'), credential('s', 'staged')],
    only('a', 's'),
  )
  await mint()
  t.same(requests, ['a'])
  t.same(promoted, [])
})

t.test('the retired key is the fallback, and is never promoted', async (t) => {
  const { mint, requests, promoted } = setUp(
    [credential('a', 'active'), credential('r', 'retired')],
    only('r'),
  )
  await mint()
  t.same(requests, ['a', 'r'])
  t.same(promoted, [])
})

t.test(
  'the credential that worked last comes first, so the usual mint is one request',
  async (t) => {
    const { mint, requests } = setUp(
      [credential('a', 'active'), credential('r', 'retired')],
      only('r'),
    )
    await mint()
    await mint()
    t.same(requests, ['a', 'r', 'r'])
  },
)

t.test('a refusal that is not about the signature ends it', async (t) => {
  const { mint, requests, promoted } = setUp(
    [credential('a', 'active'), credential('s', 'staged')],
    () => NOT_APPROVED,
  )
  const error = await mint().catch((thrown: unknown) => thrown)
  t.equal(refusalOf(error)?.reason, 'user_not_approved')
  t.same(requests, ['a'])
  t.same(promoted, [])
})

t.test('where mints worked before, it keeps at it through twelve tries', async (t) => {
  const { mint, requests } = setUp(
    [credential('a', 'active'), credential('s', 'staged')],
    (_key, request) => (request === 12 ? undefined : BAD_SIGNATURE),
  )
  await mint()
  t.equal(requests.length, 12)
})

t.test('where they did not, each candidate is tried once', async (t) => {
  const { mint, requests } = setUp([credential('a', 'active'), credential('s', 'staged')], only())
  await t.rejects(mint(false))
  t.same(requests, ['a', 's'])
})

t.test(
  'while there is more than one candidate, a refusal of all of them is still spreading',
  async (t) => {
    const { mint } = setUp([credential('a', 'active'), credential('r', 'retired')], only())
    const error = await mint().catch((thrown: unknown) => thrown)
    t.match(error, { status: 503, retryAfterMs: 30_000 })
    t.match(refusalOf(error), { class: 'propagating', reason: 'assertion_invalid' })
  },
)

t.test('a staged credential with a client of its own is not tried by itself', async (t) => {
  const { mint, requests } = setUp(
    [credential('a', 'active'), credential('s', 'staged', 'green')],
    only('s'),
  )
  await t.rejects(mint())
  t.same(requests, ['a'])
})

t.test('a proof tries just that credential, with its own client', async (t) => {
  const { minter, requests, clients, promoted } = setUp(
    [credential('a', 'active'), credential('s', 'staged', 'green')],
    only('s'),
  )
  const options = { tries: 12, deadlineAt: LATER, charge: async () => undefined }
  t.match(await minter.prove('billing', 's', options), { tokenId: 's' })
  t.same([requests, clients, promoted], [['s'], ['green'], []])
  await t.rejects(minter.prove('billing', 'x', options), { code: 'credential_not_found' })
})

t.test('a token of another user proves no credential', async (t) => {
  const other = new BrokerError('identity_changed', 'another user')
  const { mint, promoted, requests } = setUp(
    [credential('a', 'active'), credential('s', 'staged')],
    only('s'),
    {},
    { otherIdentity: other },
  )
  await t.rejects(mint(), { code: 'identity_changed' })
  t.same([requests, promoted], [['a', 's'], []])
})

t.test('a budget that is spent ends the tries', async (t) => {
  const { minter, requests } = setUp([credential('a', 'active'), credential('s', 'staged')], only())
  let left = 2
  const charge = async () => {
    if (left === 0) throw new BrokerError('login_budget_exhausted', 'spent')
    left -= 1
  }
  await t.rejects(
    minter.mint('billing', { hasWorked: async () => true, deadlineAt: LATER, charge }),
    {
      code: 'login_budget_exhausted',
    },
  )
  t.equal(requests.length, 2)
})

t.test('what is disabled or has no credential is not asked for', async (t) => {
  const disabled = setUp([credential('a', 'active')], only('a'), { enabled: false })
  await t.rejects(disabled.mint(), { code: 'integration_disabled' })
  const draft = setUp([], only())
  await t.rejects(draft.mint(), { code: 'integration_draft' })
})

/** Whatever Salesforce can say of the active credential, by its reason; and what it can fail to say. */
const SAID: Readonly<Record<string, BrokerError>> = {
  ...Object.fromEntries(
    Object.entries<RefusalRow>(REFUSALS).map(([reason, { texts, errors }]) => [
      reason,
      grantRefused(classify({ error: errors[0] ?? 'x', errorDescription: texts[0] ?? '' })),
    ]),
  ),
  'nothing known': grantRefused(classify({ error: 'new_error', errorDescription: 'new words' })),
  'an outage': new BrokerError('salesforce_unavailable', 'down'),
  'nothing in time': new BrokerError('salesforce_timeout', 'late'),
  'no token response': new BrokerError('token_response_invalid', 'odd'),
  'an hour of logins': new BrokerError('login_budget_exhausted', 'spent'),
  'a record that is corrupt': new BrokerError('record_corrupt', 'odd'),
}
const OF_THE_SIGNATURE = ['assertion_invalid', 'client_credentials_invalid']

t.test('nothing but a refusal of the signature lets the staged key be tried', async (t) => {
  const flipped: string[] = []
  for (const [what, error] of Object.entries(SAID)) {
    const { mint, requests, promoted, refusals } = setUp(
      [credential('a', 'active'), credential('s', 'staged')],
      (key) => (key === 'a' ? error : undefined),
    )
    const result = await mint().catch((thrown: unknown) => thrown)
    if (promoted.length > 0) flipped.push(refusalOf(error)?.reason ?? what)
    else t.match([result === error, requests, refusals()], [true, ['a'], 0], what)
  }
  t.same([...new Set(flipped)].sort(), OF_THE_SIGNATURE)
})

t.test('nothing but a token lets the staged key become active', async (t) => {
  for (const [what, error] of Object.entries(SAID)) {
    const { mint, promoted } = setUp(
      [credential('a', 'active'), credential('s', 'staged')],
      (key) => (key === 'a' ? BAD_SIGNATURE : error),
    )
    await t.rejects(mint(), { name: 'BrokerError' }, what)
    t.same(promoted, [], what)
  }
})

t.test('a staged key that worked is not tried before the active one', async (t) => {
  const { mint, requests, promoted } = setUp(
    [credential('a', 'active'), credential('s', 'staged')],
    (key, request) => (key === 'a' && request < 3 ? BAD_SIGNATURE : undefined),
  )
  await mint()
  t.same(promoted, ['s'], 'which the store did not take')
  await mint()
  t.same(requests, ['a', 's', 'a'])
})

t.test('no round begins after the deadline', async (t) => {
  const { mint, requests } = setUp([credential('a', 'active'), credential('s', 'staged')], only())
  const error = await mint(true, 1_350).catch((thrown: unknown) => thrown)
  t.equal(refusalOf(error)?.class, 'propagating')
  t.equal(requests.length, 4)
})

t.test('a proof keeps at it as long as it is told to', async (t) => {
  const { minter, requests } = setUp([credential('a', 'active'), credential('s', 'staged')], only())
  const options = { deadlineAt: LATER, charge: async () => undefined }
  const once = await minter.prove('billing', 'a', { ...options, tries: 1 }).catch((e) => e)
  t.match(refusalOf(once), { class: 'permanent', reason: 'assertion_invalid' })
  t.same(requests, ['a'])
  await t.rejects(minter.prove('billing', 's', { ...options, tries: 3 }))
  t.same(requests, ['a', 's', 's', 's'])
})

t.test('a lease of a client that the record does not know yet is followed up', async (t) => {
  const credentials = [credential('a', 'active', 'green')]
  const stale = setUp(credentials, only('a'), {}, { digests: ['of blue'] })
  await stale.mint()
  t.same(stale.outdated, ['billing'])
  const fresh = setUp(credentials, only('a'))
  await fresh.mint()
  t.same(fresh.outdated, [])
})
