/** Probes of the token endpoint, and the order of a run. */
import type { Secret } from '../../crypto/secret.ts'
import { generateDpopKey } from '../../dpop/dpop-key.ts'
import { grantOf } from '../../grants/index.ts'
import { membersOf } from '../../grants/org-api/org-api.ts'
import { jsonOf } from '../../grants/token-endpoint/answer-form.ts'
import type { TokenAnswer } from '../../grants/token-endpoint/token-answer.ts'
import type { SigningClient } from '../../tokens/mint/mint.ts'
import { type ProbeClient, seenIn } from './probe-client.ts'
import { eddsaKey, es256Key, type ProbeKey, rs256Key } from './probe-keys.ts'
import { finding, notRun, type Posture, type ProbeFinding } from './probes.ts'
import {
  type BoundToken,
  judged,
  NOT_BOUND,
  probeResources,
  probeRevocation,
  type RunProbe,
  revoke,
} from './resource-probes.ts'
import type { AskedToken, TokenAsker } from './token-asker.ts'

/** A nonce of the token endpoint that was not used since, with the key that it came for. */
export interface KeptNonce {
  readonly key: ProbeKey
  readonly nonce: string
  /** Epoch milliseconds. */
  readonly at: number
}

const NO_RUN_BEFORE =
  'probe again later, within a day and at the same replica: this run has kept its nonce'

/** Asks for tokens, and then calls with them. Ends the tokens that nobody else has. Returns the posture of the app. */
export async function probeTokens(
  { integration, signer }: SigningClient,
  asker: TokenAsker,
  client: ProbeClient,
  run: RunProbe,
  keptNonce: { readonly before: KeptNonce | undefined; keep(kept: KeptNonce): void; now(): number },
): Promise<Posture> {
  const { loginUrl, grant } = integration
  const own = es256Key(signer.dpopKey ?? generateDpopKey())
  const others: Asked[] = []
  const askWith = async (key: ProbeKey): Promise<Asked> => {
    const asked = { ...(await asker.ask(key)), key }
    others.push(asked)
    return asked
  }

  const first = await asker.ask(own)
  const isBound = first.isBound && first.token !== undefined
  await run('token_nonce', async () => {
    const seen = first.challenge ?? first.seen
    return finding(first.challenge ? 'yes' : first.token ? 'no' : 'unclear', seen.words)
  })
  await run('binds', async () => tokenFinding(first, first.isBound))
  await run('other_key', async () => {
    const other = await askWith(es256Key(generateDpopKey()))
    return tokenFinding(other, isSame(first, other))
  })
  const [withOther] = others
  let plain: AskedToken | undefined
  await run('without_proof', async () => {
    plain = await asker.ask()
    const found = tokenFinding(plain, true)
    return isSame(first, plain) ? { ...found, detail: `${found.detail}, the same token` } : found
  })
  await run('same_key', async () => {
    if (!first.token) return notRun('no token was given')
    const again = await asker.ask(own)
    return tokenFinding(again, isSame(first, again))
  })
  for (const [name, keyOf] of [
    ['rs256', rs256Key],
    ['eddsa', eddsaKey],
  ] as const) {
    await run(name, async () => {
      if (!isBound) return notRun(NOT_BOUND)
      const asked = await askWith(await keyOf())
      return tokenFinding(asked, asked.isBound)
    })
  }

  await run('nonce_age', async () => {
    const { before } = keptNonce
    if (!before) return notRun(NO_RUN_BEFORE)
    const { key, nonce, at } = before
    const asked = { ...(await asker.askWithNonce(key, nonce)), key }
    others.push(asked)
    const { seen, token } = asked
    const seconds = Math.round((keptNonce.now() - at) / 1_000)
    const result = token ? 'yes' : seen.isChallenge ? 'no' : 'unclear'
    return finding(result, `after ${seconds} s ${seen.words}`)
  })

  const tokenOf = ({ instanceUrl, accessToken }: TokenAnswer, key: ProbeKey): BoundToken => ({
    ...{ key, accessToken, instanceUrl, loginUrl },
  })
  const isAlone = (one: Asked): boolean =>
    one.isBound && ![first, plain, ...others].some((two) => two !== one && two && isSame(one, two))
  const mine = others.flatMap((one) =>
    one.token && isAlone(one) ? [tokenOf(one.token, one.key)] : [],
  )
  if (!first.token || !isBound) {
    await probeResources(undefined, client, run)
    await run('revoke_without_proof', async () => notRun(NOT_BOUND))
  } else {
    await probeResources(tokenOf(first.token, own), client, run)
    const [other] = mine
    await run('revoke_without_proof', async () =>
      other ? probeRevocation(other, client) : notRun('no token is of this run alone'),
    )
    if (!signer.dpopKey && ![plain, ...others].some((one) => one && isSame(first, one))) {
      mine.push(tokenOf(first.token, own))
    }
  }
  await run('introspection', async () =>
    first.token && isBound
      ? probeIntrospection(asker, grant.type, first.token.accessToken, own)
      : notRun(NOT_BOUND),
  )
  for (const token of mine) await revoke(token, client)
  const nonce = withOther && client.nonceOf(withOther.key, loginUrl)
  if (withOther && nonce) keptNonce.keep({ key: withOther.key, nonce, at: keptNonce.now() })
  return postureOf(isBound, plain)
}

/** Asks about an access token, which changes nothing. */
export async function probeIntrospection(
  asker: Pick<TokenAsker, 'introspect'>,
  grantType: string,
  accessToken: Secret,
  key: ProbeKey,
): Promise<ProbeFinding> {
  if (!grantOf(grantType).introspect) return notRun('the grant cannot introspect')
  const outcome = await asker.introspect(accessToken, key)
  if (!outcome?.ok || outcome.status !== 200) return outcome ? judged(outcome) : notRun('no answer')
  const { cnf } = membersOf(jsonOf(outcome))
  const isNamed = membersOf(cnf).jkt === key.thumbprint
  return finding(isNamed ? 'yes' : 'no', seenIn(outcome).words)
}

interface Asked extends AskedToken {
  readonly key: ProbeKey
}

const isSame = (one: AskedToken, two: AskedToken): boolean =>
  one.token !== undefined && one.token.accessToken.reveal() === two.token?.accessToken.reveal()

/** `yes` or `no` where a token was given. */
function tokenFinding({ token, isBound, seen }: AskedToken, isYes: boolean): ProbeFinding {
  const detail = token ? `${seen.words}, ${isBound ? 'bound' : 'Bearer'}` : seen.words
  if (token) return finding(isYes ? 'yes' : 'no', detail)
  const { status = 500 } = seen
  return finding(status === 400 || status === 401 ? 'no' : 'unclear', detail)
}

function postureOf(isBound: boolean, plain: AskedToken | undefined): Posture {
  if (!isBound || !plain) return 'unknown'
  if (plain.token) return 'allowed'
  return plain.seen.status === 400 || plain.seen.status === 401 ? 'required' : 'unknown'
}
