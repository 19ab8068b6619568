/** Text that stands where a value was to be: an empty variable, a template that nobody filled, an example of a document. Pure. */

/** What languages and templates print for nothing, and what people type for it. In lower case, words joined by `_`. */
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

/** What documents and forms show. In lower case, words joined by `_`. */
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
/** The beginning that all consumer keys have, and nothing behind it. */
const STUB = /^3mvg9_?(?:x{3,})?$/
const NO_LETTERS = /^[^\p{L}\p{N}]*$/u
const MASKED = /^x{3,16}$/

const words = (text: string): string =>
  text
    .trim()
    .replace(/^["'`(]+|["'`)]+$/g, '')
    .toLowerCase()
    .replace(/[\s_.\-…*]+/g, '_')
    .replace(/^[_[\]]+|[_[\]]+$/g, '')

/** Whether it holds nothing at all: no letter, or what a program prints for a variable that is not set. */
export const isUnfilled = (text: string): boolean => {
  const inside = unquoted(text) ?? text.trim()
  return (
    NO_LETTERS.test(inside) ||
    NOTHING.has(words(text)) ||
    TEMPLATES.some((template) => template.test(inside))
  )
}

/** What a program prints for a flag or a count. A user may be named so. */
const FLAG_OR_COUNT = /^(?:true|false|yes|no|on|off|\d{1,3})$/

/** Whether it is no real key or secret: nothing at all, an example of a document, or the value of something else. */
export const isPlaceholder = (text: string): boolean =>
  isExample(text) || FLAG_OR_COUNT.test(words(text))

/** Of a value that came with the quotation marks around it, as from a file that nobody unquotes: what is in them. Undefined: it has none. */
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

/** A Salesforce username: of that form, but no user. */
export const isPlaceholderUsername = (text: string): boolean => {
  const [name = '', domain = ''] = text.split('@')
  const isUserOfDocuments =
    USERS.has(name.toLowerCase()) && EXAMPLE_DOMAIN.test(domain.toLowerCase())
  return isUserOfDocuments || isExample(name) || domain.split('.').some(isUnfilled)
}

/** A My Domain name, or a sandbox's, of a document: `yourdomain`, `MyDomainName`. */
const DOMAIN_NAME = /^(?:your|my)-?(?:my-?)?(?:domain|company|org|instance|sandbox)-?name$/
const YOUR_DOMAIN = /^your-?(?:my-?)?(?:domain|company|org|instance|sandbox|salesforce)$/

/** A host with a label that nobody filled; an IPv6 address has none. */
export const isPlaceholderHost = (host: string): boolean =>
  !host.startsWith('[') &&
  host
    .toLowerCase()
    .split('.')
    .flatMap((label) => label.split('--'))
    .some((label) => isUnfilled(label) || DOMAIN_NAME.test(label) || YOUR_DOMAIN.test(label))
