/** Probes with a bound token: requests that read, and one revocation of a token that nobody else has. */
import type { Secret } from '../../crypto/secret.ts'
import { membersOf } from '../../grants/org-api/org-api.ts'
import { PROBE_PATH } from '../../grants/org-api/probe.ts'
import { jsonOf } from '../../grants/token-endpoint/answer-form.ts'
import type { OutboundOutcome, OutboundRequest } from '../../http/outbound/outbound.ts'
import { escapedXml } from '../../setup/xml.ts'
import { type Crafted, type ProbeClient, seenIn } from './probe-client.ts'
import type { ProbeKey } from './probe-keys.ts'
import { finding, notRun, type ProbeFinding, type ProbeName } from './probes.ts'

/** A token that is bound to a key, and where it is good. */
export interface BoundToken {
  readonly key: ProbeKey
  readonly accessToken: Secret
  /** An origin, or an origin with the path of a site. */
  readonly instanceUrl: string
  readonly loginUrl: string
}

/** Runs a probe and keeps what it found. */
export type RunProbe = (
  probe: ProbeName,
  work: () => Promise<ProbeFinding>,
) => Promise<ProbeFinding>

const SOAP_PATH = '/services/Soap/u/66.0'
const BULK_PATH = '/services/data/v66.0/jobs/ingest'
const COMETD_PATH = '/cometd/66.0'
/** Leads to no subscription. */
const HANDSHAKE = [
  {
    channel: '/meta/handshake',
    version: '1.0',
    supportedConnectionTypes: ['long-polling'],
  },
]
/** Five seconds within half a minute, a minute and five minutes: a request takes time, and `iat` has whole seconds. */
const SHIFTS = [
  ['iat_minus_295', -295],
  ['iat_minus_55', -55],
  ['iat_minus_25', -25],
  ['iat_plus_25', 25],
  ['iat_plus_55', 55],
  ['iat_plus_295', 295],
] as const
const OF_REST = [
  ...['resource_nonce', 'as_bearer', 'htu_slash', 'htu_port', 'htu_query', 'htu_case'],
  ...SHIFTS.map(([name]) => name),
  ...['replay', 'soap', 'bulk', 'cometd'],
] as readonly ProbeName[]

/** Why nothing is asked that needs a bound token. */
export const NOT_BOUND = 'the grant binds no token'

/** `accepted` by its status. Every refusal of a token or a proof that was seen is one of these. */
export function judged(outcome: OutboundOutcome): ProbeFinding {
  const { status, words } = seenIn(outcome)
  const isAccepted = status !== undefined && status >= 200 && status < 300
  const isRefused = status === 400 || status === 401 || status === 403
  return finding(isAccepted ? 'yes' : isRefused ? 'no' : 'unclear', words)
}

/** `bound` undefined: nothing is asked. `why`: default, the grant binds no token. */
export async function probeResources(
  bound: BoundToken | undefined,
  client: ProbeClient,
  run: RunProbe,
  why = NOT_BOUND,
): Promise<void> {
  const skip = async (names: readonly ProbeName[], reason: string) => {
    for (const name of names) await run(name, async () => notRun(reason))
  }
  if (!bound) return skip(['works', 'userinfo', ...OF_REST], why)
  const { key, accessToken, instanceUrl, loginUrl } = bound
  const craft = (changes: Partial<Crafted> = {}): Crafted => ({ key, accessToken, ...changes })
  const authorization = `DPoP ${accessToken.reveal()}`
  const at = (url: string): OutboundRequest => ({ url, headers: { ...HEADERS, authorization } })
  const rest = at(`${instanceUrl}${PROBE_PATH}`)
  const { url } = rest

  const works = await run('works', async () => judged(await client.send(rest, craft())))
  await run('userinfo', async () =>
    judged(await client.send(at(`${loginUrl}/services/oauth2/userinfo`), craft())),
  )
  if (works.result !== 'yes') {
    return skip(OF_REST, 'the REST API does not accept the token with its proof')
  }

  await run('resource_nonce', async () => {
    const { status, words } = seenIn(await client.once(rest, craft({ nonce: null })))
    return finding(status === 400 || status === 401 ? 'yes' : 'no', words)
  })
  await run('as_bearer', async () =>
    judged(
      await client.plain({
        ...rest,
        headers: { ...HEADERS, authorization: `Bearer ${accessToken.reveal()}` },
      }),
    ),
  )
  const { protocol, host, hostname, pathname } = new URL(url)
  const spelled = (name: ProbeName, htu: string, asked = rest) =>
    run(name, async () => judged(await client.send(asked, craft({ htu }))))
  await spelled('htu_slash', url.slice(0, -1))
  await spelled('htu_port', `${protocol}//${hostname}:443${pathname}`)
  await spelled('htu_query', `${url}?a=b`, { ...rest, url: `${url}?a=b` })
  const capitals = host.toUpperCase()
  if (capitals === host) await skip(['htu_case'], 'the host has no letters')
  else await spelled('htu_case', `${protocol}//${capitals}${pathname}`)
  for (const [name, iatShiftSeconds] of SHIFTS) {
    await run(name, async () => judged(await client.send(rest, craft({ iatShiftSeconds }))))
  }
  await run('replay', async () => {
    const proof = await client.proofFor(rest, craft())
    const first = judged(await client.once(rest, craft(), proof))
    if (first.result !== 'yes') return { ...first, result: 'unclear' }
    return judged(await client.once(rest, craft(), proof))
  })
  await run('soap', () => probeSoap(bound, client))
  await run('bulk', async () => judged(await client.send(at(instanceUrl + BULK_PATH), craft())))
  await run('cometd', async () => {
    const asked = at(instanceUrl + COMETD_PATH)
    const headers = { ...asked.headers, 'content-type': 'application/json' }
    const body = JSON.stringify(HANDSHAKE)
    const outcome = await client.send({ ...asked, headers, method: 'POST', body }, craft())
    const found = judged(outcome)
    if (!outcome.ok || found.result !== 'yes') return found
    const [first] = [jsonOf(outcome)].flat()
    const { successful } = membersOf(first)
    const result = { true: 'yes', false: 'no' }[String(successful)] as 'yes' | 'no' | undefined
    return { ...found, result: result ?? 'unclear' }
  })
}

const HEADERS = { accept: 'application/json', 'user-agent': 'valetkey' } as const

async function probeSoap(
  { key, accessToken, instanceUrl }: BoundToken,
  client: ProbeClient,
): Promise<ProbeFinding> {
  const asked: OutboundRequest = {
    url: instanceUrl + SOAP_PATH,
    method: 'POST',
    headers: {
      'content-type': 'text/xml;charset=UTF-8',
      soapaction: '""',
      'user-agent': 'valetkey',
    },
  }
  const proof = await client.proofFor(asked, { key, accessToken })
  const body = `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><soapenv:Header><SessionHeader><sessionId>${escapedXml(accessToken.reveal())}</sessionId></SessionHeader><DpopProofHeader><proof>${proof}</proof></DpopProofHeader></soapenv:Header><soapenv:Body><getUserInfo/></soapenv:Body></soapenv:Envelope>`
  const outcome = await client.plain({ ...asked, body })
  const found = judged(outcome)
  // A fault of SOAP has the status 500.
  const isFault = outcome.ok && outcome.status === 500 && /\s/.test(found.detail)
  return isFault ? { ...found, result: 'no' } : found
}

/** Whether the token works with its key. Salesforce may give one that is bound to another key, and that others use. */
async function isOwn(token: BoundToken, client: ProbeClient): Promise<ProbeFinding> {
  const { key, accessToken, instanceUrl } = token
  const authorization = `DPoP ${accessToken.reveal()}`
  const asked = { url: `${instanceUrl}${PROBE_PATH}`, headers: { ...HEADERS, authorization } }
  return judged(await client.send(asked, { key, accessToken }))
}

/** `other`: of a key of its own, so that nobody else has this token. */
export async function probeRevocation(
  other: BoundToken,
  client: ProbeClient,
): Promise<ProbeFinding> {
  const { accessToken, loginUrl } = other
  const before = await isOwn(other, client)
  if (before.result !== 'yes') return notRun('the token does not work with its key')
  const revoked = await client.plain({
    url: `${loginUrl}/services/oauth2/revoke`,
    ...{ method: 'POST', headers: FORM, body: formOf(accessToken) },
  })
  const after = await isOwn(other, client)
  const detail = `revocation ${seenIn(revoked).words}, then ${after.detail}`
  const results = { yes: 'no', no: 'yes', unclear: 'unclear', not_run: 'unclear' } as const
  return finding(results[after.result], detail)
}

/** Ends a token of this run, if it works with the key of the run. A failure leaves one that works with a discarded key only. */
export async function revoke(token: BoundToken, client: ProbeClient): Promise<void> {
  const { key, accessToken, loginUrl } = token
  if ((await isOwn(token, client)).result !== 'yes') return
  const url = `${loginUrl}/services/oauth2/revoke`
  await client.send({ url, method: 'POST', headers: FORM, body: formOf(accessToken) }, { key })
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded', 'user-agent': 'valetkey' }

const formOf = (token: Secret): string => new URLSearchParams({ token: token.reveal() }).toString()
