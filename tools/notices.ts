/** The licences of the libraries whose code is in the bundle: most of them ask for it. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const OF_A_PACKAGE = /^(?:.*node_modules\/)(?:@[^/]+\/)?[^/]+/
const NOTICE = /^(?:licen[cs]e|notice|copying)/i

/** The text of the notices. `inputs`: the files that were joined, from `root`. Throws where a package has none, and says no licence. */
export function noticesOf(root: string, inputs: readonly string[]): string {
  const folders = new Set(inputs.flatMap((path) => OF_A_PACKAGE.exec(path)?.[0] ?? []))
  return [...folders]
    .sort()
    .map((folder) => noticeOf(join(root, folder)))
    .join('\n')
}

function noticeOf(folder: string): string {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { name, version, license } = manifest as Readonly<Record<string, unknown>>
  const texts = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile() && NOTICE.test(entry.name))
    .map((entry) => readFileSync(join(folder, entry.name), 'utf8').trim())
  if (texts.length === 0 && typeof license !== 'string') {
    throw new Error(`${folder} has no licence`)
  }
  return [`${name} ${version} (${license})`, ...texts, ''].join('\n\n')
}
