/** Rows of the table of problems about freezes. */
export const FREEZE_PROBLEMS = {
  freeze_not_found: {
    status: 404,
    title: 'There is no such freeze',
    meaning: 'No freeze has this id. A lifted freeze can be read for 30 days.',
    remedy: 'Look the id up with `GET /freezes`.',
  },
  integration_frozen: {
    status: 409,
    title: 'The integration is frozen',
    meaning:
      'An operator froze it, for example because tokens were stolen. It gives no tokens until the freeze is lifted; `frozen` has its id, its reason and its time.',
    remedy:
      'Wait for the operators. `GET /freezes` shows them what is frozen; `DELETE /freezes/{id}` lifts it.',
  },
} as const
