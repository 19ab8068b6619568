/** The command line of Salesforce, of `examples/clients/sf/package.json`. */
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isOnPath, run } from '../../support/apt.ts'
import { cacheFor, provideFolder, ROOT, type Toolchain } from './toolchain.ts'

const MANIFEST = join(ROOT, 'examples/clients/sf/package.json')
const FOLDER = cacheFor('sf', [MANIFEST])

export const SF: Toolchain = {
  folder: FOLDER,
  provide: (announce) =>
    provideFolder(
      {
        folder: FOLDER,
        what: 'the command line of Salesforce',
        byHand: 'npm install --global @salesforce/cli',
        canMake: isOnPath('npm') && isOnPath('jq') && isOnPath('curl'),
        make(folder) {
          mkdirSync(folder, { recursive: true })
          copyFileSync(MANIFEST, join(folder, 'package.json'))
          return run('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', '--silent'])
        },
      },
      announce,
    ),
  command: (program) => ['sh', join(ROOT, program)],
  env: (caFile) => ({
    PATH: `${join(FOLDER, 'node_modules/.bin')}:${process.env.PATH ?? ''}`,
    NODE_EXTRA_CA_CERTS: caFile,
    CURL_CA_BUNDLE: caFile,
    // Nothing of it may leave the machine.
    SF_DISABLE_TELEMETRY: 'true',
    SF_AUTOUPDATE_DISABLE: 'true',
    SF_SKIP_NEW_VERSION_CHECK: 'true',
  }),
  version(name) {
    const text = readFileSync(MANIFEST, 'utf8')
    return (JSON.parse(text) as { readonly dependencies: Readonly<Record<string, string>> })
      .dependencies[name]
  },
}
