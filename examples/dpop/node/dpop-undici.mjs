// Experimental. An interceptor of undici: each try below its retries gets a token and a proof of its
// own. `new Agent().compose(dpop, interceptors.retry())`. docs/dpop.md explains it.
import { prove, TRIES, wantsAfter } from './dpop.mjs'

export const dpop = (dispatch) => (options, handler) => {
  send(dispatch, options, handler).catch((error) => handler.onResponseError?.(null, error))
  return true
}

async function send(dispatch, options, handler) {
  const { method, path, origin } = options
  const url = new URL(path, origin).href
  const body = await replayable(options.body)
  const attempt = async (tries, wants) => {
    const { access_token, token_id, proofs } = await prove([{ method, url }], wants)
    const headers = [
      ...pairsOf(options.headers).filter(([name]) => !/^(authorization|dpop)$/i.test(name)),
      ['authorization', `DPoP ${access_token}`],
      ['dpop', proofs[0]],
    ].flat()
    const again = (next) =>
      attempt(tries + 1, next).catch((error) => handler.onResponseError?.(null, error))
    const hears = (status, nonce) =>
      tries < TRIES ? wantsAfter(status, nonce, token_id, wants) : undefined
    dispatch({ ...options, body, headers }, repeating(handler, hears, again))
  }
  await attempt(1)
}

/** Hands an answer on, unless it asks for another try. */
function repeating(handler, hears, again) {
  let wants
  return {
    onRequestStart: (...args) => handler.onRequestStart?.(...args),
    onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
    onResponseStart(controller, status, headers, message) {
      wants = hears(status, headers['dpop-nonce'])
      if (!wants) handler.onResponseStart?.(controller, status, headers, message)
    },
    onResponseData(...args) {
      if (!wants) handler.onResponseData?.(...args)
    },
    onResponseEnd(...args) {
      if (wants) again(wants)
      else handler.onResponseEnd?.(...args)
    },
    onResponseError: (...args) => handler.onResponseError?.(...args),
  }
}

/** `fetch` gives each body as a stream, which can be sent once: it is read into memory. */
async function replayable(body) {
  if (typeof body !== 'object' || !body?.[Symbol.asyncIterator]) return body
  return Buffer.concat(await Array.fromAsync(body, (chunk) => Buffer.from(chunk)))
}

/** undici takes headers as a flat list, as pairs, and as an object. */
function pairsOf(headers = {}) {
  if (Array.isArray(headers)) {
    return Array.from({ length: headers.length / 2 }, (_, at) => headers.slice(2 * at, 2 * at + 2))
  }
  return Symbol.iterator in headers ? [...headers] : Object.entries(headers)
}
