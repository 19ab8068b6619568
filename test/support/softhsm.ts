/** SoftHSM2 of Debian: tokens in a folder, and the package that talks PKCS#11, compiled once for a machine. */
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { isOnPath, type Provided, provideCommand, run } from './apt.ts'
import { ROOT } from './project-root.ts'
import { CACHE } from './wheel-programs.ts'

export const SOFTHSM_MODULE = '/usr/lib/softhsm/libsofthsm2.so'

const { peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const PACKAGE = `pkcs11js@${peerDependencies.pkcs11js}`
const HOME = join(CACHE, PACKAGE.replace('@', '-'))
const NATIVE = 'node_modules/pkcs11js/build/Release/pkcs11.node'
const LINK = join(ROOT, 'node_modules/pkcs11js')

/** Both commands, and the package. */
export function provideSoftHsm(announce: (line: string) => void): Provided {
  for (const [command, debian] of [
    ['softhsm2-util', 'softhsm2'],
    ['pkcs11-tool', 'opensc'],
  ] as const) {
    const provided = provideCommand(command, announce, debian)
    if (!provided.ok) return provided
  }
  return providePackage(announce)
}

function providePackage(announce: (line: string) => void): Provided {
  if (existsSync(join(HOME, NATIVE))) return { ok: true, isNew: false }
  const byHand = `npm install --prefix ${HOME} ${PACKAGE}`
  const canCompile = ['make', 'g++', 'python3', 'npm'].every(isOnPath)
  if (!canCompile || process.env.VALETKEY_TEST_NO_INSTALL === '1') {
    const why = `The tests need ${PACKAGE}, which needs python3, make and g++. Install it: ${byHand}`
    return { ok: false, why }
  }
  announce(`The tests need ${PACKAGE}. Compiling it now with`)
  announce(`  ${byHand}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  const folder = `${HOME}.${process.pid}`
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{}')
  const options = ['--no-audit', '--no-fund', '--no-save', '--ignore-scripts=false']
  const isMade = run('npm', ['install', '--prefix', folder, ...options, PACKAGE])
  if (isMade && existsSync(join(folder, NATIVE))) {
    if (!existsSync(HOME)) renameSync(folder, HOME)
    rmSync(folder, { recursive: true, force: true })
    return { ok: true, isNew: true }
  }
  rmSync(folder, { recursive: true, force: true })
  return { ok: false, why: `${PACKAGE} could not be compiled; try it by hand: ${byHand}` }
}

/** Puts the package where the service finds it, as if it had been installed beside it. */
export function linkPackage(): void {
  const target = join(HOME, 'node_modules/pkcs11js')
  if (existsSync(LINK)) return
  try {
    symlinkSync(target, LINK)
  } catch (error) {
    // Another test file was faster.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || !existsSync(LINK)) throw error
  }
}

export interface SoftHsm {
  /** For the environment of whoever loads the module. */
  readonly config: string
  readonly pin: string
  newToken(label: string): void
  newKey(token: string, label: string, type?: string, options?: readonly string[]): void
  deleteKey(token: string, label: string): void
  deleteToken(label: string): void
  /** What the token says to this PIN. Throws if it refuses it. */
  logIn(token: string, pin: string): void
}

/** `mechanisms`: as SoftHSM's own setting. Default: all. */
export function newSoftHsm(folder: string, mechanisms = 'ALL'): SoftHsm {
  const config = join(folder, 'softhsm2.conf')
  const tokens = join(folder, 'tokens')
  mkdirSync(tokens)
  writeFileSync(
    config,
    `directories.tokendir = ${tokens}\nlog.level = ERROR\nslots.mechanisms = ${mechanisms}\n`,
  )
  const pin = `pin-${crypto.randomUUID()}`
  const env = { PATH: process.env.PATH, SOFTHSM2_CONF: config }
  const call = (command: string, args: readonly string[]) =>
    void execFileSync(command, args, { env, stdio: 'pipe' })
  const tool = (token: string, args: readonly string[], by = pin) =>
    call('pkcs11-tool', [
      '--module',
      SOFTHSM_MODULE,
      '--token-label',
      token,
      '--login',
      '--pin',
      by,
      ...args,
    ])
  return {
    ...{ config, pin },
    newToken: (label) =>
      call('softhsm2-util', [
        '--init-token',
        '--free',
        '--label',
        label,
        '--pin',
        pin,
        '--so-pin',
        'so-pin',
      ]),
    newKey: (token, label, type = 'rsa:2048', options = []) =>
      tool(token, ['--keypairgen', '--key-type', type, '--label', label, ...options]),
    deleteKey(token, label) {
      for (const type of ['privkey', 'pubkey']) {
        tool(token, ['--delete-object', '--type', type, '--label', label])
      }
    },
    deleteToken: (label) => call('softhsm2-util', ['--delete-token', '--token', label]),
    logIn: (token, by) => tool(token, ['--list-objects'], by),
  }
}
