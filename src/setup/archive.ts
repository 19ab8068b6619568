/** Text files in one zip: the same bytes for the same files. */
import { strToU8, zipSync } from 'fflate'

/** The earliest date that a zip can hold; one that changes nothing each day. */
const MODIFIED_AT = '1980-01-01T00:00:00'

export const zipOf = (files: Readonly<Record<string, string>>): Buffer =>
  Buffer.from(
    zipSync(
      Object.fromEntries(Object.entries(files).map(([path, text]) => [path, strToU8(text)])),
      { mtime: new Date(MODIFIED_AT), level: 6 },
    ),
  )
