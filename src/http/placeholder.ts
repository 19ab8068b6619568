/** Detects text that stands in place of a value: an empty variable, an unfilled template, or an example from documentation. */

/** What languages and templates print for a missing value, and what people type for it. In lower case, words joined by `_`. */
const NOTHING = new Set([
  'undefined',
  'null',
  'nil',
  'none',
  'nan',
  'void',
  'unset',
  'empty',
  'n/a',
  'object_object',
  'no_value',
])

/** Examples from documents and forms. In lower case, words joined by `_`. */
const EXAMPLES = new Set([
  'string',
  'text',
  'value',
  'example',
  'placeholder',
  'dummy',
  'todo',
  'tbd',
  'fixme',
  'changeme',
  'change_me',
  'replaceme',
  'replace_me',
  'redacted',
  'secret',
  'client_id',
  'clientid',
  'client_secret',
  'clientsecret',
  'consumer_key',
  'consumerkey',
  'consumer_secret',
  'consumersecret',
  'access_token',
  'refresh_token',
  'refreshtoken',
  'username',
  'user_name',
])

/** `${A}`, `$A`, `$(A)`, `{{ a }}`, `{a}`, `<a>`, `[a]`, `%A%`, `@a@`, `env.A`. */
const TEMPLATES = [
  /^\$[A-Za-z_]\w*$/,
  /^\$?\{.*\}$/s,
  /^\$\(.*\)$/s,
  /^<.*>$/s,
  /^\[.*\]$/s,
  /^(%+|@+|__)[A-Za-z_][\w .-]*\1$/,
  /^(?:process\.)?env\.\w+$/i,
]

/** `YOUR_CONSUMER_KEY`, `THE_CONSUMER_KEY`, `3MVG9_THE_CONSUMER_KEY`, `my-client-id`, `ITS_SECRET`. */
const OWNED =
  /^(?:3mvg9_)?(?:(?:of_)?(?:your|the|my|its)_)(?:[a-z]+_)*(?:key|id|secret|token|username|user|value|deployer)(?:_here)?$/
const INSERT =
  /^(?:insert|enter|paste|put|fill|replace|change|add)_(?:[a-z]+_)*(?:here|this|me|it)$/
/** The prefix of all consumer keys, alone. */
const STUB = /^3mvg9_?(?:x{3,})?$/
const NO_LETTERS = /^[^\p{L}\p{N}]*$/u
const MASKED = /^x{3,16}$/

const words = (text: string): string =>
  text
    .trim()
    .replace(/^["'`(]+|["'`)]+$/g, '')
    .toLowerCase()
    .replace(/[\s_.\-\u2026*]+/g, '_')
    .replace(/^[_[\]]+|[_[\]]+$/g, '')

/** Whether the text has no letter, or is what a program prints for an unset variable. */
export const isUnfilled = (text: string): boolean => {
  const inside = unquoted(text) ?? text.trim()
  return (
    NO_LETTERS.test(inside) ||
    NOTHING.has(words(text)) ||
    TEMPLATES.some((template) => template.test(inside))
  )
}

/** What a program prints for a flag or a count. A user may have such a name. */
const FLAG_OR_COUNT = /^(?:true|false|yes|no|on|off|\d{1,3})$/

/** Whether the text is not a key or secret: it is empty, an example, or another kind of value. */
export const isPlaceholder = (text: string): boolean =>
  isExample(text) || FLAG_OR_COUNT.test(words(text))

/** The content of a value in quotation marks, for example from a file that was not parsed. Undefined: there are none. */
export const unquoted = (text: string): string | undefined =>
  /^\s*(["'`])(.+)\1\s*$/s.exec(text)?.[2]

const isExample = (text: string): boolean => {
  if (isUnfilled(text)) return true
  const said = words(text)
  return (
    EXAMPLES.has(said) ||
    OWNED.test(said) ||
    INSERT.test(said) ||
    STUB.test(said) ||
    MASKED.test(said)
  )
}

const USERS = new Set(['you', 'user', 'username', 'name', 'me', 'someone', 'email'])
const EXAMPLE_DOMAIN = /^(?:example\.(?:com|org|net)|domain\.com|company\.com|yourcompany\.com)$/

/** A text in the form of a username that is an example. */
export const isPlaceholderUsername = (text: string): boolean => {
  const [name = '', domain = ''] = text.split('@')
  const isUserOfDocuments =
    USERS.has(name.toLowerCase()) && EXAMPLE_DOMAIN.test(domain.toLowerCase())
  return isUserOfDocuments || isExample(name) || domain.split('.').some(isUnfilled)
}

/** Example names of a My Domain or a sandbox: `yourdomain`, `MyDomainName`. */
const DOMAIN_NAME = /^(?:your|my)-?(?:my-?)?(?:domain|company|org|instance|sandbox)-?name$/
const YOUR_DOMAIN = /^your-?(?:my-?)?(?:domain|company|org|instance|sandbox|salesforce)$/

/** A host with an unfilled label. An IPv6 address has none. */
export const isPlaceholderHost = (host: string): boolean =>
  !host.startsWith('[') &&
  host
    .toLowerCase()
    .split('.')
    .flatMap((label) => label.split('--'))
    .some((label) => isUnfilled(label) || DOMAIN_NAME.test(label) || YOUR_DOMAIN.test(label))
