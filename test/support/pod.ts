/** A container of a rendered pod, as the kubelet would start it: its environment, its command, and its volumes as folders. */
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Mount } from './container.ts'
import type { KubernetesObject } from './helm.ts'
import type { ImageConfig } from './image.ts'

export interface PodWorld {
  readonly image: ImageConfig
  /** What is mounted beside the pod's own volumes. */
  readonly borrowed: readonly Mount[]
  /** By name, then by key. */
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Those that were rendered along with the pod. */
  readonly objects: readonly KubernetesObject[]
  /** What stands in for names that only a cluster has. */
  readonly env?: Readonly<Record<string, string>>
}

export interface PodContainer {
  readonly env: Readonly<Record<string, string>>
  readonly command: readonly string[]
  readonly mounts: readonly Mount[]
  readonly user: string
  /** The folder that a volume has become. */
  volume(name: string): string
}

interface Teardown {
  teardown(end: () => unknown): void
}

type PodSpec = KubernetesObject[string]

export async function preparePod(
  t: Teardown,
  spec: PodSpec,
  world: PodWorld,
): Promise<PodContainer> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-pod-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  // Other users must reach what is mounted from here.
  await chmod(folder, 0o755)
  const [container] = spec.containers
  const { runAsUser, runAsGroup, fsGroup } = spec.securityContext
  const folders = new Map<string, string>()
  for (const volume of spec.volumes ?? []) {
    const path = join(folder, volume.name)
    // As the kubelet hands over a volume to `fsGroup`.
    await mkdir(path)
    await chown(path, 0, fsGroup)
    await chmod(path, 0o2775)
    for (const [name, text] of Object.entries(filesOf(volume, world))) {
      await mkdir(dirname(join(path, name)), { recursive: true })
      await writeFile(join(path, name), text)
      await chown(join(path, name), 0, fsGroup)
      await chmod(join(path, name), modeOf(volume))
    }
    folders.set(volume.name, path)
  }
  const volume = (name: string): string => {
    const path = folders.get(name)
    if (path === undefined) throw new Error(`The pod has no volume ${name}`)
    return path
  }
  const env = { ...environmentOf(container, world), ...world.env }
  const { Entrypoint, Cmd } = world.image
  const args = (container.args ?? (container.command ? [] : Cmd)) as readonly string[]
  return {
    env,
    command: [...(container.command ?? Entrypoint), ...args].map((text) => expanded(text, env)),
    mounts: [...world.borrowed, ...mountsOf(container, volume)],
    user: `${runAsUser}:${runAsGroup}`,
    volume,
  }
}

/** `/tmp` is one in any container here. */
function mountsOf(container: PodSpec, volume: (name: string) => string): readonly Mount[] {
  const mounts = container.volumeMounts ?? []
  return mounts.flatMap(({ name, mountPath: to, readOnly }: PodSpec) =>
    to === '/tmp' ? [] : [{ from: volume(name), to, readOnly: readOnly === true }],
  )
}

function filesOf(volume: PodSpec, world: PodWorld): Readonly<Record<string, string>> {
  if (volume.secret) return secretOf(world, volume.secret.secretName)
  if (volume.configMap) {
    const found = world.objects.find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === volume.configMap.name,
    )
    return found?.data
  }
  const files: Record<string, string> = {}
  for (const { secret } of volume.projected?.sources ?? []) {
    for (const { key, path } of secret.items) {
      const text = secretOf(world, secret.name)[key]
      if (text === undefined) throw new Error(`The Secret ${secret.name} has no ${key}`)
      files[path] = text
    }
  }
  return files
}

function secretOf({ secrets }: PodWorld, name: string): Readonly<Record<string, string>> {
  const secret = secrets?.[name]
  if (!secret) throw new Error(`There is no Secret ${name}`)
  return secret
}

const modeOf = (volume: PodSpec): number =>
  (volume.secret ?? volume.projected ?? volume.configMap)?.defaultMode ?? 0o644

function environmentOf(container: PodSpec, { image }: PodWorld): Record<string, string> {
  const env: Record<string, string> = {}
  for (const line of image.Env) {
    const at = line.indexOf('=')
    env[line.slice(0, at)] = line.slice(at + 1)
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    env[name] = valueFrom ? `the-${valueFrom.fieldRef.fieldPath}` : expanded(value, env)
  }
  return env
}

/** `$(NAME)` of what is known. */
const expanded = (text: string, env: Readonly<Record<string, string>>): string =>
  text.replace(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole)
