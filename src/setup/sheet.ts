/** The setup sheet lists each field to set in Salesforce for an integration. */
import type { Blueprint, CertificateToUpload } from './blueprint.ts'
import { certificatePath } from './certificate-step.ts'
import type { SetupStep } from './step.ts'
import { stepsOf } from './steps.ts'
import { type Trap, trapsOf } from './trap.ts'

export interface Sheet {
  readonly integration: string
  readonly grant: string
  readonly title: string
  /** What is missing until a token can be requested, in the order of the steps. */
  readonly missing: readonly ('credential' | 'client_id')[]
  readonly steps: readonly SetupStep[]
  readonly certificate: SheetCertificate | null
  /** How to send the consumer key to the broker. */
  readonly writeBack: {
    readonly method: 'PATCH'
    readonly path: string
    readonly headers: Readonly<Record<string, string>>
    readonly body: object
  }
  /** How long a change in Setup takes to reach all servers of Salesforce, in seconds. */
  readonly wait: { readonly least: number; readonly most: number }
  readonly traps: readonly Trap[]
  readonly metadata: string
}

interface SheetCertificate {
  readonly credentialId: string
  readonly state: string
  readonly path: string
  readonly fingerprintSha256: string
  readonly notAfter: number
}

const WAIT = { least: 120, most: 600 }

export function sheetOf(blueprint: Blueprint): Sheet {
  const { integration, recipe, certificate, clientId, hasCredential } = blueprint
  const path = `/integrations/${integration.name}`
  return {
    integration: integration.name,
    grant: integration.grant.type,
    title: recipe.title,
    missing: [
      ...(hasCredential || blueprint.provesBy === 'client_secret' ? [] : ['credential' as const]),
      ...(clientId === null ? ['client_id' as const] : []),
      ...(!hasCredential && blueprint.provesBy === 'client_secret' ? ['credential' as const] : []),
    ],
    steps: stepsOf(blueprint, path),
    certificate: certificate && certificateOf(certificate),
    writeBack: {
      method: 'PATCH',
      path,
      headers: { 'if-match': '*' },
      body: blueprint.source === null ? keyBody(blueprint) : {},
    },
    wait: WAIT,
    traps: trapsOf(blueprint),
    metadata: `/integrations/${blueprint.source ?? integration.name}/setup/metadata`,
  }
}

const keyBody = ({ provesBy }: Blueprint): object => ({
  grant: { client_id: 'THE_CONSUMER_KEY' },
  ...(provesBy === 'client_secret' && {
    credential: { client_secret: 'THE_CONSUMER_SECRET' },
  }),
})

function certificateOf({ credential, holder }: CertificateToUpload): SheetCertificate | null {
  const certificate = credential?.certificate
  if (!credential || !certificate) return null
  return {
    credentialId: credential.id,
    state: credential.state,
    path: certificatePath(holder, credential.id),
    fingerprintSha256: certificate.fingerprintSha256,
    notAfter: certificate.notAfter,
  }
}
