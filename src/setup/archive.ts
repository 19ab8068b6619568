/** Creates a zip of text files. The same files give the same bytes. */
import { strToU8, zipSync } from 'fflate'

const MODIFIED_AT = '1980-01-01T00:00:00'

export const zipOf = (files: Readonly<Record<string, string>>): Buffer =>
  Buffer.from(
    zipSync(
      Object.fromEntries(Object.entries(files).map(([path, text]) => [path, strToU8(text)])),
      { mtime: new Date(MODIFIED_AT), level: 6 },
    ),
  )
