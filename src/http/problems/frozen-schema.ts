/** How problems and statuses show a freeze. */
import { Type } from 'typebox'

export const FrozenSchema = Type.Object(
  {
    id: Type.String({ description: 'Of the freeze' }),
    since: Type.String({ format: 'date-time' }),
    reason: Type.String({ description: 'Given by who ordered it' }),
  },
  { description: 'The freeze that selects the integration; the first, if there are several' },
)
