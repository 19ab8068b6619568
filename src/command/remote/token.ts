/** `valetkey token`: the current access token, for scripts and people. */
import type { Token } from '../../client/api/tokens.ts'
import type { CommandInput } from '../spec.ts'

export const TOKEN_FORMS = ['token', 'header', 'json', 'env', 'curl'] as const

type TokenForm = (typeof TOKEN_FORMS)[number]

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

const WRITERS: Readonly<Record<TokenForm, (token: Token) => string>> = {
  token: ({ access_token }) => access_token,
  header: ({ access_token }) => `Authorization: Bearer ${access_token}`,
  json: (token) => JSON.stringify(token),
  // The names of Salesforce's own command line.
  env: ({ access_token, instance_url }) =>
    [
      `export SF_ACCESS_TOKEN=${quoted(access_token)}`,
      `export SF_ORG_INSTANCE_URL=${quoted(instance_url)}`,
    ].join('\n'),
  // A configuration for `curl --config -`, so that the token is in no argument.
  curl: ({ access_token }) => `header = "Authorization: Bearer ${access_token}"`,
}

export async function runToken({ operands, options, terminal, broker }: CommandInput) {
  const {
    output = 'token',
    minTtl,
    rejected,
  } = options as {
    readonly output?: TokenForm
    readonly minTtl?: number
    readonly rejected?: string
  }
  const [name = ''] = operands
  const token = await (await broker()).client.token(name, {
    ...(minTtl !== undefined && { min_ttl: minTtl }),
    ...(rejected !== undefined && { rejected }),
  })
  terminal.print(WRITERS[output](token))
  return 0
}
