/** One program of `examples/clients/java` with the packages of its `pom.xml`, compiled with the Java of the machine. */
import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { isOnPath, run } from '../../support/apt.ts'
import { cacheFor, provideFolder, ROOT, type Toolchain } from './toolchain.ts'

/** `main`: the class, which is also the name of the files. */
export function javaToolchain(name: string, main: string): Toolchain {
  const pom = join(ROOT, 'examples/clients/java', name, 'pom.xml')
  const sources = [
    join(ROOT, 'examples/clients/java', name, `${main}.java`),
    ...globSync(`test/clients/other-programs/${main}*.java`, { cwd: ROOT })
      .sort()
      .map((file) => join(ROOT, file)),
  ]
  const folder = cacheFor(`java-programs-${name}`, [pom, ...sources])
  const classes = (source: string, within = folder) => join(within, String(sources.indexOf(source)))
  return {
    folder,
    provide: (announce) =>
      provideFolder(
        {
          folder,
          what: `a client in Java, ${name}`,
          byHand: `mvn -f ${pom} dependency:copy-dependencies`,
          canMake: isOnPath('mvn') && isOnPath('javac'),
          make(parts) {
            const libraries = join(parts, 'libraries')
            const copy = ['dependency:copy-dependencies', '-DincludeScope=runtime']
            return (
              run('mvn', ['-q', '-B', '-f', pom, ...copy, `-DoutputDirectory=${libraries}`]) &&
              sources.every((source) =>
                run('javac', ['-cp', `${libraries}/*`, '-d', classes(source, parts), source]),
              )
            )
          },
        },
        announce,
      ),
    command(program) {
      const path = [classes(join(ROOT, program)), join(folder, 'libraries/*')].join(':')
      return ['java', '-cp', path, basename(program, '.java')]
    },
    env: (caFile) => ({
      JAVA_TOOL_OPTIONS: [
        `-Djavax.net.ssl.trustStore=${trustStoreOf(caFile)}`,
        '-Djavax.net.ssl.trustStorePassword=changeit',
        // They live for seconds.
        '-XX:TieredStopAtLevel=1',
        '-XX:+UseSerialGC',
      ].join(' '),
    }),
    version: (artifact) =>
      new RegExp(`<artifactId>${artifact}</artifactId>\\s*<version>([^<]+)<`).exec(
        readFileSync(pom, 'utf8'),
      )?.[1],
  }
}

/** Java reads no PEM. */
function trustStoreOf(caFile: string): string {
  const store = `${caFile}.p12`
  if (!existsSync(store)) {
    const into = ['-keystore', store, '-storetype', 'PKCS12', '-storepass', 'changeit']
    const made = spawnSync('keytool', ['-importcert', '-noprompt', '-file', caFile, ...into])
    if (made.status !== 0) throw new Error(`keytool: ${made.stderr}`)
  }
  return store
}
