/** Each row of the table of refusals is held to the requests that can get it, and names nothing that they do not have. */
import t from 'tap'
import { REFUSALS as SPOKEN } from '../../simulator/refusals.ts'
import type { RefusalRow } from '../../src/grants/refusals/refusal-row.ts'
import { MISFIT, REFUSALS, type RefusalReason } from '../../src/grants/refusals/refusal-table.ts'
import {
  classify,
  explanationOf,
  grantRefused,
  spreading,
} from '../../src/grants/refusals/refusals.ts'
import {
  type ClientProof,
  TRIED_GRANTS,
  type Tried,
  triedIn,
} from '../../src/grants/token-endpoint/tried.ts'

const PROOFS: readonly ClientProof[] = ['certificate', 'client_secret', 'none']
const JWT: Tried = { grant: 'jwt_bearer', proof: 'certificate' }
const SECRET: Tried = { grant: 'client_credentials', proof: 'client_secret' }

/** What grants ask with. An app may let a client go without a proof where it knows the user otherwise. */
const isPossible = ({ grant, proof }: Tried): boolean => {
  switch (grant) {
    case 'jwt_bearer':
      return proof === 'certificate'
    case 'client_credentials':
      return proof !== 'none'
    case 'data_cloud':
    case 'device':
    case 'authorization':
      return proof === 'none'
    default:
      return true
  }
}
const ALL_TRIED: readonly Tried[] = TRIED_GRANTS.flatMap((grant) =>
  PROOFS.map((proof) => ({ grant, proof })),
).filter(isPossible)

/** Words for things that only some requests have. Nobody sends a password. */
const VOCABULARY: readonly (readonly [word: RegExp, has: (tried: Tried) => boolean])[] = [
  [/password/i, () => false],
  [/secret/i, ({ proof }) => proof === 'client_secret'],
  [/certificate|signature|assertion|\bkey that signed/i, ({ proof }) => proof === 'certificate'],
  [/audience/i, ({ proof }) => proof === 'certificate'],
  [/username|grant\.audience/i, ({ grant }) => grant === 'jwt_bearer'],
  [/run-as|client credentials flow/i, ({ grant }) => grant === 'client_credentials'],
  [/token exchange flow|Apex|handler/i, ({ grant }) => grant === 'token_exchange'],
  [/token to exchange/i, ({ grant }) => grant === 'token_exchange' || grant === 'data_cloud'],
  [/refresh token/i, ({ grant }) => grant === 'refresh_token'],
  [/device/i, ({ grant }) => grant === 'device'],
  [/callback|verifier|web server flow/i, ({ grant }) => /^authorization/.test(grant)],
  [/authorization code(?! flow)/i, ({ grant }) => grant === 'authorization_code'],
  [
    /connect (?:again|the integration)/i,
    ({ grant }) =>
      ['refresh_token', 'authorization_code', 'device', 'authorization'].includes(grant),
  ],
  [/consumer key|client_id/i, ({ grant }) => grant !== 'data_cloud'],
]

function strangersIn(text: string, tried: Tried): readonly string[] {
  return VOCABULARY.flatMap(([word, has]) => (has(tried) ? [] : (word.exec(text)?.[0] ?? [])))
}

t.test('no words name what the grant or the credential does not have', async (t) => {
  for (const tried of ALL_TRIED) {
    for (const reason of Object.keys(REFUSALS) as RefusalReason[]) {
      const { cause, remedy, setupPath } = explanationOf(reason, tried)
      const place = `${reason} of ${tried.grant} by ${tried.proof}`
      t.same(strangersIn(`${cause} ${remedy}`, tried), [], place)
      t.match(cause, /^[A-Z].*\.$/, place)
      t.match(remedy, /^(?:\(1\) )?[A-Z].*\.$/, place)
      if (tried.proof !== 'client_secret') t.notMatch(setupPath ?? '', /Secret/, place)
    }
  }
})

t.test(
  'every row can be got by somebody, and every particular by somebody of its row',
  async (t) => {
    for (const [reason, row] of Object.entries<RefusalRow>(REFUSALS)) {
      const getters = ALL_TRIED.filter(
        (tried) => explanationOf(reason as RefusalReason, tried) !== MISFIT,
      )
      t.ok(getters.length > 0, reason)
      for (const { cause } of row.particulars ?? []) {
        t.ok(
          getters.some((tried) =>
            explanationOf(reason as RefusalReason, tried).cause.includes(cause),
          ),
          `${reason}: ${cause}`,
        )
      }
    }
  },
)

t.test('whatever Salesforce says to whomever, the words are theirs', async (t) => {
  for (const tried of ALL_TRIED) {
    for (const { error, errorDescription } of Object.values(SPOKEN)) {
      const refusal = classify({ error, ...(errorDescription && { errorDescription }), tried })
      const problem = grantRefused(spreading(refusal))
      const words = [refusal.cause, refusal.remedy, problem.detail].join(' ')
      t.same(strangersIn(words, tried), [], `${errorDescription} to ${tried.grant}`)
    }
  }
})

t.test('a sentence with two causes has two', async (t) => {
  const errorDescription =
    'refresh_token scope is required and the connected app should be installed and preauthorized.'
  for (const tried of [JWT, SECRET]) {
    const { cause, remedy, setupPath } = classify({
      error: 'invalid_request',
      errorDescription,
      tried,
    })
    t.match(cause, /\(1\).*scope.*\(2\).*installed.*pre-authorized/)
    t.match(remedy, /\(1\).*refresh_token, offline_access.*\(2\).*Install/)
    t.match(setupPath, /OAuth Scopes.*; .*Permitted Users/)
  }
  const unsupported = {
    error: 'unsupported_grant_type',
    errorDescription: 'grant type not supported',
  }
  t.match(
    classify({ ...unsupported, tried: SECRET }).cause,
    /\(1\).*client credentials flow.*\(2\)/,
  )
  t.notMatch(classify({ ...unsupported, tried: JWT }).cause, /client credentials/)
  t.equal(
    classify({ ...unsupported, tried: { grant: 'refresh_token' } }).cause.includes('(2)'),
    false,
  )
})

t.test('an authentication failure is nobody’s password', async (t) => {
  const said = { error: 'invalid_grant', errorDescription: 'authentication failure' }
  for (const tried of [...ALL_TRIED, undefined]) {
    const { cause, remedy } = classify({ ...said, ...(tried && { tried }) })
    t.notMatch(`${cause} ${remedy}`, /password/i)
    t.match(remedy, /Login History/)
  }
})

t.test(
  'while a change spreads the remedy says to wait, how long, and what to do then',
  async (t) => {
    const refusal = classify({
      error: 'invalid_client',
      errorDescription: 'invalid client credentials',
      tried: JWT,
    })
    const spread = spreading(refusal)
    t.match(spread, { class: 'propagating', reason: 'client_credentials_invalid' })
    t.match(spread.remedy, /^Wait up to 10 minutes:/)
    t.ok(spread.remedy.endsWith(refusal.remedy))
    t.equal(spreading(spread), spread, 'and says it once')
    t.match(grantRefused(spread), { status: 503, retryAfterMs: 30_000 })
  },
)

t.test('what was tried is read from the request', async (t) => {
  const form = (members: Record<string, string>) => new URLSearchParams(members)
  const jwt = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  t.same(triedIn(form({ grant_type: jwt, assertion: 'a' }), undefined), JWT)
  t.same(triedIn(form({ grant_type: 'client_credentials' }), 'Basic eDp5'), SECRET)
  t.same(triedIn(form({ grant_type: 'client_credentials', client_assertion: 'a' }), undefined), {
    grant: 'client_credentials',
    proof: 'certificate',
  })
  t.same(triedIn(form({ grant_type: 'refresh_token', refresh_token: 'r' }), undefined), {
    grant: 'refresh_token',
    proof: 'none',
  })
  t.same(triedIn(form({ response_type: 'device_code' }), undefined), {
    grant: 'device',
    proof: 'none',
  })
  t.same(triedIn(form({ token: 't' }), undefined), { grant: 'other', proof: 'none' })
  t.equal(triedIn(form({ grant_type: 'of_next_year' }), undefined), undefined)
})
