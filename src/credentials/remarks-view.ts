/** The wire form of remarks about a new credential. */
import { Type } from 'typebox'
import type { Remarks } from './key-material.ts'

export const RemarkMembers = {
  normalized: Type.Optional(
    Type.Array(Type.String(), {
      description:
        'Only in answers of writes: corrections of a key or a certificate that was not plain PEM. Absent if there were none',
      examples: [['private_key: Its line breaks were restored']],
    }),
  ),
  warnings: Type.Optional(
    Type.Array(Type.String(), {
      description: 'Only in answers of writes: warnings about an accepted certificate',
      examples: [['certificate: It is not valid before 2030-01-01T00:00:00.000Z']],
    }),
  ),
}

/** Omits empty members. */
export const remarksView = (remarks: Remarks | undefined) => ({
  ...(remarks && remarks.normalized.length > 0 && { normalized: [...remarks.normalized] }),
  ...(remarks && remarks.warnings.length > 0 && { warnings: [...remarks.warnings] }),
})
