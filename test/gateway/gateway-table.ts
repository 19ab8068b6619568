/** The gateways of `examples/gateways`: their programs, their files, and what each of them can do. */
import { join } from 'node:path'
import { type Provided, provideCommand } from '../support/apt.ts'
import { HAPROXY_3, provideDebianProgram } from '../support/debian-programs.ts'
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
  /** Whether it tells Valetkey of a refused token, so that the next request succeeds. */
  readonly reports: boolean
  /** The status for the client where Valetkey refuses with 409. */
  readonly refusal: 403 | 409
  readonly provide: (announce: Announce) => Provided | Promise<Provided>
  /** Program and arguments, in a folder with the files. */
  readonly command: (folder: string) => readonly [string, ...string[]]
  /** A program that it needs beside it. */
  readonly beside?: (folder: string) => readonly [string, ...string[]]
  readonly changes: (instance: URL) => readonly Change[]
}

type Running = Pick<Gateway, 'name' | 'provide' | 'command'>

const caddy = ({ name, provide, command }: Running): Gateway => ({
  ...{ name, provide, command, files: ['Caddyfile'], prefix: '/sf' },
  // What has a body cannot be sent once more.
  ...{ heals: ['GET'], reports: true, refusal: 409 },
  changes: () => [
    [/:443 \{/g, ' {'],
    [/transport http \{\s*tls\s*\}/, ''],
  ],
})

const haproxy = ({ name, provide, command }: Running): Gateway => ({
  ...{ name, provide, command, files: ['haproxy.cfg', 'haproxy.lua'], prefix: '/sf' },
  ...{ heals: [], reports: true, refusal: 409 },
  changes: ({ host }) => [[/acme\.my\.salesforce\.com:443 ssl.*/, host]],
})

const runCaddy = (program: string) => (folder: string) =>
  [program, ...['run', '--adapter', 'caddyfile', '--config', join(folder, 'Caddyfile')]] as const
const HAPROXY_ARGS = ['-db', '-f', 'haproxy.cfg'] as const

export const GATEWAYS: readonly Gateway[] = [
  {
    name: 'nginx',
    files: ['nginx.conf'],
    prefix: '/sf',
    heals: ['GET', 'POST'],
    reports: true,
    refusal: 403,
    provide: (announce) => provideCommand('nginx', announce),
    command: (folder) => [
      'nginx',
      ...['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr'],
      ...['-g', `daemon off; pid ${join(folder, 'pid')};`],
    ],
    changes: () => [],
  },
  caddy({
    name: `Caddy ${CADDY.version}`,
    provide: (announce) => provideWheelProgram(CADDY, announce),
    command: runCaddy(programOf(CADDY)),
  }),
  caddy({
    name: 'Caddy of Debian',
    provide: (announce) => provideCommand('caddy', announce),
    command: runCaddy('caddy'),
  }),
  haproxy({
    name: 'HAProxy of Debian',
    provide: (announce) => provideCommand('haproxy', announce),
    command: () => ['haproxy', ...HAPROXY_ARGS],
  }),
  haproxy({
    name: 'HAProxy 3.0',
    provide: (announce) => provideDebianProgram(HAPROXY_3, announce),
    command: () => [...HAPROXY_3.command, ...HAPROXY_ARGS],
  }),
  {
    name: 'Traefik',
    files: ['traefik-routes.yaml'],
    prefix: '/sf',
    heals: [],
    reports: false,
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
    reports: true,
    refusal: 403,
    provide: (announce) => provideWheelProgram(ENVOY, announce),
    command: () => [programOf(ENVOY), '-c', 'envoy.yaml', '--use-dynamic-base-id'],
    changes: () => [[/ {6}transport_socket:\n[\s\S]*/, '']],
  },
  {
    name: 'Apache httpd',
    files: ['apache.conf', 'valetkey-fcgi.py'],
    prefix: '/sf',
    heals: [],
    reports: false,
    refusal: 409,
    provide: (announce) => provideCommand('apache2', announce, 'apache2-bin'),
    command: (folder) => [
      'apache2',
      '-DFOREGROUND',
      '-d',
      folder,
      '-f',
      join(folder, 'apache.conf'),
    ],
    beside: () => ['python3', 'valetkey-fcgi.py'],
    changes: ({ origin }) => [['https://acme.my.salesforce.com', origin]],
  },
]

/** Envoy as an OAuth client, which asks when the half of a life is over, and not for each request. */
export const INJECTOR: Gateway = {
  name: "Envoy's credential_injector",
  files: ['envoy-credential-injector.yaml'],
  prefix: '',
  heals: [],
  reports: false,
  refusal: 403,
  provide: (announce) => provideWheelProgram(ENVOY, announce),
  command: () => [
    programOf(ENVOY),
    ...['-c', 'envoy-credential-injector.yaml', '--use-dynamic-base-id'],
  ],
  changes: ({ host, hostname, port }) => [
    [/ {6}transport_socket:\n[\s\S]*/, ''],
    [/host_rewrite_literal: .*/, `host_rewrite_literal: ${host}`],
    [
      /address: acme\.my\.salesforce\.com, port_value: 443/,
      `address: ${hostname}, port_value: ${port}`,
    ],
  ],
}
