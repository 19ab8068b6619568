/** The app as files for the Metadata API: an External Client App and the permission set of its user, ready to deploy, without a secret. Pure. */
import type { Blueprint } from './blueprint.ts'
import { type Component, componentsOf, type MetadataChoices } from './components.ts'
import { elementsOf, type XmlElement, xmlDocument } from './xml.ts'

/** By path in the archive. */
export type MetadataFiles = Readonly<Record<string, string>>

/** `metadata`: what the Metadata API takes, and `sf project deploy start --metadata-dir`; `source`: what a Salesforce DX project keeps. */
export const METADATA_FORMATS = ['metadata', 'source'] as const
export type MetadataFormat = (typeof METADATA_FORMATS)[number]

/** Of Summer '26, the first that knows all members. Before 64.0 the policies had one more that is required. */
export const API_VERSION = '67.0'
/** Where a Salesforce DX project has its files, unless it says otherwise. */
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

/** In the format of the Metadata API. */
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
