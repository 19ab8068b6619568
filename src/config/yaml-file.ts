/** Reads YAML, and says the line of each mistake. */
import type { ErrorObject } from 'ajv'
import { faultOf, tellingFaults } from '../http/problems/schema-fault.ts'
import { parseYaml, type YamlText } from './yaml-text.ts'

export interface ReadYaml extends YamlText {
  readonly mistakesIn: (
    errors: readonly ErrorObject[] | null | undefined,
    base: readonly string[],
  ) => readonly string[]
}

/** Throws `ConfigError` for invalid syntax. */
export function readYaml(text: string): ReadYaml {
  const { content, lineOf } = parseYaml(text)
  return {
    ...{ content, lineOf },
    mistakesIn: (errors, base) =>
      tellingFaults(errors ?? [])
        .map((error) => mistakeOf(error, base, lineOf))
        .sort((a, b) => a.localeCompare(b, 'en', { numeric: true })),
  }
}

function mistakeOf(
  error: ErrorObject,
  base: readonly string[],
  lineOf: (path: readonly string[]) => number,
): string {
  const { path, words } = faultOf(error)
  const place = [...base, ...path]
  return `line ${lineOf(place)}: ${place.join('.') || 'the file'} ${words}`
}
