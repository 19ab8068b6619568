/** The packages of `examples/clients/python/requirements.txt`, for an interpreter of the machine. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, run } from '../../support/apt.ts'
import { cacheFor, provideFolder, ROOT, type Toolchain } from './toolchain.ts'

const REQUIREMENTS = join(ROOT, 'examples/clients/python/requirements.txt')
const FOLDER = cacheFor('python-clients', [REQUIREMENTS])

export const PYTHON: Toolchain = {
  folder: FOLDER,
  provide: (announce) =>
    provideFolder(
      {
        folder: FOLDER,
        what: 'packages of Python',
        byHand: `python3 -m pip install --requirement ${REQUIREMENTS}`,
        canMake: isOnPath('python3'),
        // Not an environment of its own: its programs hold the path of their folder.
        make: (folder) =>
          run('python3', [
            ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'],
            ...['--target', folder, '--requirement', REQUIREMENTS],
          ]),
      },
      announce,
    ),
  command: (program) => ['python3', join(ROOT, program)],
  env: (caFile) => ({
    PYTHONPATH: FOLDER,
    PYTHONDONTWRITEBYTECODE: '1',
    REQUESTS_CA_BUNDLE: caFile,
  }),
  version: (name) =>
    new RegExp(`^${name}==(.+)$`, 'm').exec(readFileSync(REQUIREMENTS, 'utf8'))?.[1],
}
