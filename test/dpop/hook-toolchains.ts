/** What runs the programs of `examples/dpop`. */
import { join } from 'node:path'
import { cacheFor, provideFolder, ROOT } from '../clients/toolchains/toolchain.ts'
import { isOnPath, type Provided, run } from '../support/apt.ts'

export interface Hook {
  /** In `examples/dpop`. */
  readonly program: string
  readonly provide: (announce: (line: string) => void) => Provided
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

const EXAMPLES = join(ROOT, 'examples/dpop')
const at = (file: string) => join(EXAMPLES, file)

const REQUIREMENTS = at('python/requirements.txt')
const PYTHON = cacheFor('python-dpop', [REQUIREMENTS])
const GO_FILES = ['go/go.mod', 'go/main.go', 'go/dpop/dpop.go'].map(at)
const GO = cacheFor('go-dpop', GO_FILES)
const JAVA_FILE = at('java/Dpop.java')
const JAVA = cacheFor('java-dpop', [JAVA_FILE])

const node = (program: string): Hook => ({
  program,
  provide: () => ({ ok: true, isNew: false }),
  command: [process.execPath, at(program)],
  env: {},
})

const python = (program: string): Hook => ({
  program,
  provide: (announce) =>
    provideFolder(
      {
        folder: PYTHON,
        what: 'packages of Python for proofs',
        byHand: `python3 -m pip install --requirement ${REQUIREMENTS}`,
        canMake: isOnPath('python3'),
        make: (folder) =>
          run('python3', [
            ...['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'],
            ...['--target', folder, '--requirement', REQUIREMENTS],
          ]),
      },
      announce,
    ),
  command: ['python3', at(program)],
  env: { PYTHONPATH: PYTHON, PYTHONDONTWRITEBYTECODE: '1' },
})

export const HOOKS: readonly Hook[] = [
  node('node/call-fetch.mjs'),
  node('node/call-undici.mjs'),
  node('node/call-jsforce-node.mjs'),
  python('python/call_requests.py'),
  python('python/call_httpx.py'),
  {
    program: 'go/main.go',
    provide: (announce) =>
      provideFolder(
        {
          folder: GO,
          what: 'a client with proofs in Go',
          byHand: `cd ${at('go')} && go build .`,
          canMake: isOnPath('go'),
          make: (folder) => run('go', ['-C', at('go'), 'build', '-o', `${folder}/`, './...']),
        },
        announce,
      ),
    command: [join(GO, 'dpop')],
    env: {},
  },
  {
    program: 'java/Dpop.java',
    provide: (announce) =>
      provideFolder(
        {
          folder: JAVA,
          what: 'a client with proofs in Java',
          byHand: `javac ${JAVA_FILE}`,
          canMake: isOnPath('javac'),
          make: (folder) => run('javac', ['-d', folder, JAVA_FILE]),
        },
        announce,
      ),
    command: ['java', '-XX:TieredStopAtLevel=1', '-cp', JAVA, 'Dpop'],
    env: {},
  },
]
