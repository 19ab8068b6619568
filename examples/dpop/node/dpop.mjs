// Experimental. Calls Salesforce with tokens that work with a proof only: Valetkey has the key, and
// signs a proof for each try. docs/dpop.md explains it.
const { VALETKEY_URL, VALETKEY_KEY, VALETKEY_INTEGRATION = 'billing' } = process.env

/** The token, and a proof for each request. `wants`: what the former try lacked. */
export async function prove(requests, wants = {}) {
  const answer = await fetch(`${VALETKEY_URL}/tokens/${VALETKEY_INTEGRATION}/proofs`, {
    method: 'POST',
    headers: { authorization: `Bearer ${VALETKEY_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ requests, ...wants }),
    signal: AbortSignal.timeout(12_000),
  })
  const body = await answer.json()
  if (!answer.ok) throw new Error(`Valetkey: ${body.code}: ${body.detail}`)
  return body
}

/** What the next try wants after this answer of Salesforce. `had`: what this try wanted. Undefined: there is none. */
export function wantsAfter(status, nonce, token_id, had) {
  // A second refusal is not for want of a nonce.
  if (nonce && !had?.nonce && (status === 400 || status === 401)) return { nonce }
  return status === 401 ? { rejected: token_id } : undefined
}

/** For a nonce, a dead session, and the nonce of the next token. */
export const TRIES = 4

/** `fetch` for Salesforce. The body must be one that can be sent again, so no stream. */
export async function dpopFetch(place, init = {}) {
  // As fetch calls it. The proof covers it up to the query.
  const url = new URL(place).href
  const { method = 'GET' } = init
  let wants
  for (let tries = 1; ; tries += 1) {
    const { access_token, token_id, proofs } = await prove([{ method, url }], wants)
    const headers = new Headers(init.headers)
    headers.set('authorization', `DPoP ${access_token}`)
    headers.set('dpop', proofs[0])
    // A redirect would need another proof.
    const answer = await fetch(url, { ...init, headers, redirect: 'manual' })
    wants = wantsAfter(answer.status, answer.headers.get('dpop-nonce'), token_id, wants)
    if (!wants || tries === TRIES) return answer
    await answer.body?.cancel()
  }
}
