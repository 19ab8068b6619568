/** The app as files for the Metadata API, ready to deploy and without secrets: an External Client App and the permission set of its user. */
import type { Blueprint } from './blueprint.ts'
import { type Component, componentsOf, type MetadataChoices } from './components.ts'
import { elementsOf, type XmlElement, xmlDocument } from './xml.ts'

export type MetadataFiles = Readonly<Record<string, string>>

/** `metadata`: for the Metadata API and `sf project deploy start --metadata-dir`. `source`: for a Salesforce DX project. */
export const METADATA_FORMATS = ['metadata', 'source'] as const
export type MetadataFormat = (typeof METADATA_FORMATS)[number]

/** Summer '26, the first version with all members. Versions before 64.0 require one more member of the policies. */
const API_VERSION = '67.0'
/** Default directory of a Salesforce DX project. */
const PACKAGE_DIRECTORY = 'force-app/main/default'

export function metadataOf(
  blueprint: Blueprint,
  choices: MetadataChoices = {},
  format: MetadataFormat = 'metadata',
): MetadataFiles {
  const components = componentsOf(blueprint, choices)
  return format === 'metadata'
    ? deployableOf(components)
    : {
        ...filesOf(components, (path) => `${PACKAGE_DIRECTORY}/${path}-meta.xml`),
        'manifest/package.xml': manifestOf(components),
      }
}

export const deployableOf = (components: readonly Component[]): MetadataFiles => ({
  ...filesOf(components, (path) => path),
  'package.xml': manifestOf(components),
})

const filesOf = (components: readonly Component[], at: (path: string) => string): MetadataFiles =>
  Object.fromEntries(
    components.map(({ folder, member, suffix, type, elements }) => [
      at(`${folder}/${member}.${suffix}`),
      xmlDocument(type, elements),
    ]),
  )

const manifestOf = (components: readonly Component[]): string =>
  xmlDocument('Package', [
    ...components.map(
      ({ member, type }): XmlElement => ['types', elementsOf({ members: member, name: type })],
    ),
    ['version', API_VERSION],
  ])
