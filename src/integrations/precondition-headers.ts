/** The wire form of `If-Match` and `If-None-Match`. */
import { Type } from 'typebox'
import { documented, documentedAsRequired } from '../http/openapi/documented.ts'

const MAX = 1024
const TAGS = '"[!#-~]{1,100}"( *, *"[!#-~]{1,100}")*'
/** A header that is another text is well formed, and names no version: it fails like any other that does not. */
const IF_MATCH = {
  maxLength: MAX,
  description: "The integration's ETag, or `*` for whatever is there",
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
  description: '`*`: only create',
  ...documented({ pattern: `^(${TAGS}|\\*)$`, $comment: 'one or more ETags, or *' }),
}
const EXAMPLES = { examples: ['*'] }

/** Of a change that may go without. */
export const IfMatchHeader = Type.Object({
  'if-match': Type.Optional(Type.String({ ...IF_MATCH, ...EXAMPLES })),
})

/** Of a change that is refused without, as `precondition_required`. */
export const NeededIfMatchHeader = Type.Object({
  'if-match': Type.Optional(Type.String({ ...IF_MATCH, ...EXAMPLES, ...documentedAsRequired })),
})

/** Of a write that makes or replaces; replacing needs `If-Match`. */
export const WriteHeaders = Type.Object({
  'if-match': Type.Optional(Type.String(IF_MATCH)),
  'if-none-match': Type.Optional(Type.String(IF_NONE_MATCH)),
})
