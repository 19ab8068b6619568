/** The wire form of `If-Match` and `If-None-Match`. */
import { Type } from 'typebox'
import { documented, documentedAsRequired } from '../http/openapi/documented.ts'

const MAX = 1024
const TAGS = '"[!#-~]{1,100}"( *, *"[!#-~]{1,100}")*'
/** Any other text is well-formed but names no version, so the precondition fails. */
const IF_MATCH = {
  maxLength: MAX,
  description: "The integration's ETag, or `*` for any version",
  ...documented(
    {
      anyOf: [
        { const: '*' },
        { pattern: `^${TAGS}$`, $comment: 'one or more ETags', maxLength: MAX },
      ],
    },
    ['maxLength'],
  ),
}
const IF_NONE_MATCH = {
  maxLength: MAX,
  description: '`*`: only creates',
  ...documented({ pattern: `^(${TAGS}|\\*)$`, $comment: 'one or more ETags, or *' }),
}
const EXAMPLES = { examples: ['*'] }

/** For a change that does not need the header. */
export const IfMatchHeader = Type.Object({
  'if-match': Type.Optional(Type.String({ ...IF_MATCH, ...EXAMPLES })),
})

/** For a change that needs the header: without it, the answer is `precondition_required`. */
export const NeededIfMatchHeader = Type.Object({
  'if-match': Type.Optional(Type.String({ ...IF_MATCH, ...EXAMPLES, ...documentedAsRequired })),
})

/** For a write that creates or replaces. Replacing needs `If-Match`. */
export const WriteHeaders = Type.Object({
  'if-match': Type.Optional(Type.String(IF_MATCH)),
  'if-none-match': Type.Optional(Type.String(IF_NONE_MATCH)),
})
