/** Finds parameters of a token request that look like a mistake: ignored, they would have no effect without a word. Pure. */
import { BrokerError } from '../../errors/errors.ts'
import { spellingDistance } from '../../runtime/spelling.ts'

/** The parameters of `POST /oauth/token`. */
const KNOWN = ['grant_type', 'scope', 'client_id', 'client_secret', 'rejected'] as const

type Known = (typeof KNOWN)[number]

const REMEDIES: Readonly<Record<Known, string>> = {
  grant_type: 'Send grant_type=client_credentials.',
  scope: 'Send scope=integration:NAME with the name of the integration.',
  client_id: 'Send the id of the API key as client_id.',
  client_secret: 'Send the API key as client_secret.',
  rejected: 'Send rejected=TOKEN_ID with the token_id of the answer that brought the token.',
}

const LIFE_REMEDY =
  'Omit it: a token of this endpoint lasts at least 120 s where its whole life is 300 s or more.'

/** Words of the rest of the API, or of other servers, without separators. */
const OTHER_WORDS: ReadonlyMap<string, Known | 'life'> = new Map([
  ['grant', 'grant_type'],
  ['integration', 'scope'],
  ['integrationname', 'scope'],
  ['tokenid', 'rejected'],
  ['reject', 'rejected'],
  ['rejectedtoken', 'rejected'],
  ['rejectedtokenid', 'rejected'],
  ['minttl', 'life'],
])

/** Letters that differ at most: in a long word, and in one that has more neighbours. */
const DISTANCE_MAX = { long: 2, short: 1 } as const
const LONG = 7
/** A shorter word has too many neighbours. */
const LEAST_LENGTH = 4

/** Throws `request_invalid` for the first one. Other unknown parameters, such as `format` and `audience`, are ignored (RFC 6749, section 3.2). */
export function refuseMistakes(names: readonly string[]): void {
  for (const name of names) {
    const meant = meantBy(name)
    if (meant === undefined) continue
    const shown = name.slice(0, 40).replace(/[^\w-]/g, '?')
    throw new BrokerError('request_invalid', `There is no parameter ${shown}`, {
      remedy: meant === 'life' ? LIFE_REMEDY : REMEDIES[meant],
    })
  }
}

/** Parameters in the query have no effect. Throws `request_invalid` for one of this endpoint and for what looks like one. */
export function refuseQuery(url = ''): void {
  const start = url.indexOf('?')
  if (start === -1) return
  const names = [...new URLSearchParams(url.slice(start + 1)).keys()]
  const known = names.find((name) => (KNOWN as readonly string[]).includes(name))
  if (known !== undefined) {
    throw new BrokerError('request_invalid', `The parameter ${known} is in the query of the URL`, {
      remedy: 'Send the parameters in the body.',
    })
  }
  refuseMistakes(names)
}

function meantBy(name: string): Known | 'life' | undefined {
  if ((KNOWN as readonly string[]).includes(name)) return undefined
  const word = plain(name.slice(0, 40))
  const other = OTHER_WORDS.get(word)
  if (other !== undefined || word.length < LEAST_LENGTH) return other
  const most = word.length < LONG ? DISTANCE_MAX.short : DISTANCE_MAX.long
  return KNOWN.find((known) => spellingDistance(word, plain(known), most) <= most)
}

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z]/g, '')
