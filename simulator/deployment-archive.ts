import { unzipSync } from 'fflate'

/** Text files by path. Undefined: it is not a zip. */
export function archiveFiles(archive: Uint8Array): ReadonlyMap<string, string> | undefined {
  try {
    const files = Object.entries(unzipSync(archive))
    return new Map(files.map(([path, content]) => [path, Buffer.from(content).toString('utf8')]))
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}

/** Members and types that a manifest names. */
export function membersIn(
  manifest: string,
): readonly { readonly type: string; readonly member: string }[] {
  return [...manifest.matchAll(/<types>(.*?)<\/types>/gs)].flatMap(([, types = '']) => {
    const type = /<name>(.*?)<\/name>/s.exec(types)?.[1]?.trim() ?? ''
    return [...types.matchAll(/<members>(.*?)<\/members>/gs)].map(([, member = '']) => ({
      type,
      member: member.trim(),
    }))
  })
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&lt;': '<',
  '&gt;': '>',
  '&quot;': '"',
  '&apos;': "'",
  '&amp;': '&',
}

/** The elements of a component that contain text, by name. */
export function elementsIn(text: string): ReadonlyMap<string, string> {
  return new Map(
    [...text.matchAll(/<(\w+)>([^<]*)<\/\1>/g)].map(([, name = '', value = '']) => [
      name,
      value.trim().replace(/&\w+;/g, (entity) => ENTITIES[entity] ?? entity),
    ]),
  )
}
