/** `valetkey rotate`: stages a new credential, says what to do in Salesforce, and shows what happens until the former one is erased. */
import { writeFileSync } from 'node:fs'
import type { Credential, Deployment, StagedCredential } from '../../client/api/credentials.ts'
import type { AnswerOf, RequestOf, ValetkeyClient } from '../../client/client.ts'
import { unlessAway } from '../away.ts'
import { durationText } from '../durations.ts'
import { CommandError, EXITS } from '../exits.ts'
import { fileText } from '../file-text.ts'
import { unlessGone } from '../gone.ts'
import { untilInterrupted } from '../interrupt.ts'
import type { CommandInput } from '../spec.ts'
import { pause, type Terminal, withoutControls } from '../terminal.ts'
import { type RotationLook, rotationSteps, standOf } from './progress.ts'

const POLL_MS = 1_000
const TIMEOUT_MS = 15 * 60_000

interface RotateOptions {
  readonly deploy?: boolean
  /** Milliseconds. */
  readonly timeout?: number
  readonly new?: boolean
  readonly certificate?: string
  readonly clientSecretFile?: string
}

interface Rotation {
  readonly name: string
  readonly id: string
  readonly isDeployed: boolean
}

type Tell = (step: string, says: string) => void

export async function runRotate({ operands, options, terminal, broker }: CommandInput) {
  const given = options as RotateOptions
  const { timeout = TIMEOUT_MS } = given
  const [name = ''] = operands
  const { client } = await broker()
  const tell: Tell = (step, says) =>
    terminal.print(
      `${new Date().toISOString()} ${name} ${terminal.paint('bold', step)}: ${withoutControls(says)}`,
    )
  let hasBegun = false
  return untilInterrupted(
    async (signal) => {
      const underWay = await lookedAt(client, name, given)
      // Once a credential is staged, all is said of it before this ends.
      signal.throwIfAborted()
      hasBegun = true
      const rotation = await begun(client, name, { given, ...underWay }, terminal, tell)
      signal.throwIfAborted()
      return shown({ client, rotation, timeoutMs: timeout, terminal, tell, signal })
    },
    () => {
      if (!hasBegun) return
      terminal.note(`the rotation goes on; valetkey rotate ${name} shows it again from where it is`)
    },
  )
}

interface Found extends Before {
  /** Whether the integration has a rule for deployments. */
  readonly deploys: boolean
  readonly underWay: Credential | undefined
}

async function lookedAt(
  client: ValetkeyClient,
  name: string,
  { new: isNew = false }: RotateOptions,
): Promise<Found> {
  const path = { name }
  const { body: integration, etag } = await client.request('getIntegration', { path })
  const { items } = (await client.request('listCredentials', { path })).body
  const deploys = integration.deployment !== undefined
  return { items, etag, deploys, underWay: rotationIn(items, isNew) }
}

/** Joins the rotation that is under way, or begins one. */
async function begun(
  client: ValetkeyClient,
  name: string,
  { given: options, underWay, deploys, ...before }: Found & { readonly given: RotateOptions },
  terminal: Terminal,
  tell: Tell,
): Promise<Rotation> {
  const credential = underWay ?? (await staged(client, name, before, { options, deploys, tell }))
  if (underWay)
    tell(
      'joined',
      `${underWay.id} is ${underWay.state} since ${underWay.activated_at ?? underWay.created_at}`,
    )
  const { id, state } = credential
  if (options.certificate !== undefined)
    await writeCertificate(client, name, id, options.certificate)
  const isToDeploy = options.deploy === true && (state === 'staged' || state === 'pending')
  if (isToDeploy) await client.request('deployCredential', { path: { name, id } })
  else if (!underWay || state === 'staged') await sayUpload(credential, options, terminal)
  const deployment = await deploymentOf(client, { name, id })
  return { name, id, isDeployed: deployment !== undefined }
}

/** A staged or pending one first; then one that is active, while the former is kept. */
function rotationIn(items: readonly Credential[], isNew: boolean): Credential | undefined {
  const waiting = items.find(({ state }) => state === 'staged' || state === 'pending')
  if (waiting || isNew) return waiting
  const isKept = items.some(({ state }) => state === 'retired')
  return isKept ? items.find(({ state }) => state === 'active') : undefined
}

interface Before {
  readonly items: readonly Credential[]
  readonly etag: string | undefined
}

interface How {
  readonly options: RotateOptions
  /** Whether the integration has a rule for deployments. */
  readonly deploys: boolean
  readonly tell: Tell
}

async function staged(
  client: ValetkeyClient,
  name: string,
  { items, etag }: Before,
  { options, deploys, tell }: How,
): Promise<StagedCredential> {
  const { clientSecretFile, deploy = false } = options
  const active = items.find(({ state }) => state === 'active')
  if (active?.type === 'client_secret' && clientSecretFile === undefined && !deploys) {
    throw new CommandError(
      EXITS.usage,
      'the credential is a client secret: give the new one with --client-secret-file, or let Salesforce make it (a member "deployment" of the integration, and --deploy)',
    )
  }
  if (active?.type === 'refresh_token') {
    throw new CommandError(EXITS.usage, `a refresh token is replaced by valetkey connect ${name}`)
  }
  if (deploy && !deploys) {
    throw new CommandError(
      EXITS.usage,
      `${name} has no member "deployment", so nothing can be deployed for it`,
    )
  }
  const body = (
    clientSecretFile === undefined
      ? { generate: {} }
      : { client_secret: fileText(clientSecretFile).trim() }
  ) as RequestOf<'stageCredential'>['body']
  const ifMatch = etag ?? '*'
  const answer: { body: AnswerOf<'stageCredential'> } = await client.request('stageCredential', {
    ...{ path: { name }, body, ifMatch },
  })
  tell('staged', answer.body.id)
  return answer.body
}

async function writeCertificate(client: ValetkeyClient, name: string, id: string, path: string) {
  const pem = await client.text('getCertificate', 'application/x-pem-file', { name, id })
  try {
    writeFileSync(path, pem)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new CommandError(EXITS.cannotCreate, `${path} cannot be written (${code})`, { cause })
  }
}

/** What to upload, and where. */
async function sayUpload(
  credential: Credential | StagedCredential,
  { certificate: path }: RotateOptions,
  terminal: Terminal,
): Promise<void> {
  const { certificate } = credential
  if ('next' in credential) terminal.note(credential.next)
  if (certificate === null) return
  if (path !== undefined) terminal.note(`the certificate is in ${path}`)
  else if (terminal.isTerminal) terminal.print(certificate.pem.trimEnd())
  else terminal.note('--certificate FILE writes the certificate to a file')
}

interface Showing {
  readonly client: ValetkeyClient
  readonly rotation: Rotation
  readonly timeoutMs: number
  readonly terminal: Terminal
  readonly tell: Tell
  readonly signal: AbortSignal
}

async function shown({ client, rotation, timeoutMs, terminal, tell, signal }: Showing) {
  const { id, name } = rotation
  const begin = performance.now()
  const told = new Set<string>()
  let last = 'waiting for Salesforce'
  for (;;) {
    const look = await lookAt(client, rotation, terminal, signal)
    for (const { step, says } of look ? rotationSteps(id, look) : []) {
      if (!told.has(step)) tell(step, says)
      told.add(step)
      last = step
    }
    const stand = look ? standOf(id, look) : 'going'
    if (stand === 'done') return EXITS.ok
    if (stand === 'failed') {
      if (!told.has('failed')) terminal.note(`${id} did not become the active credential`)
      return EXITS.ill
    }
    const passedMs = performance.now() - begin
    if (passedMs >= timeoutMs) return timeIsOver(stand === 'active', name, terminal)
    terminal.progress(`${name}: ${last}, ${durationText(passedMs)}`)
    await pause(Math.min(POLL_MS, timeoutMs - passedMs), signal)
  }
}

function timeIsOver(isActive: boolean, name: string, terminal: Terminal): number {
  terminal.note(
    isActive
      ? 'the new credential is in use; the broker erases the former one by itself'
      : `the rotation is not over and goes on; valetkey rotate ${name} shows it again`,
  )
  return isActive ? EXITS.ok : EXITS.pending
}

/** Undefined: the broker is away for the moment. */
async function lookAt(
  client: ValetkeyClient,
  { name, id, isDeployed }: Rotation,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<RotationLook | undefined> {
  const path = { name }
  const reading = Promise.all([
    client.request('listCredentials', { path, signal }),
    client.request('getIntegration', { path, signal }),
    isDeployed ? deploymentOf(client, { name, id }, signal) : undefined,
  ])
  const found = await unlessAway(reading, ({ message }) =>
    terminal.progress(`${name}: ${message}; trying again`),
  )
  if (!found) return undefined
  const [{ body: list }, { body: integration }, deployment] = found
  return {
    credentials: list.items,
    status: integration.status,
    ...(deployment && { deployment }),
  }
}

async function deploymentOf(
  client: ValetkeyClient,
  path: { readonly name: string; readonly id: string },
  signal?: AbortSignal,
): Promise<Deployment | undefined> {
  const reading = client.request('getDeployment', { path, ...(signal && { signal }) })
  return (await unlessGone(reading, 'credential_not_found'))?.body
}
