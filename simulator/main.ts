import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import type { Simulator } from './handle.ts'
import { type SimulatorOptions, startSimulator } from './simulator.ts'

/** The command `npm run simulator`: runs an offline Salesforce until SIGTERM or SIGINT. */

/** sysexits.h: the command was used incorrectly. */
const EX_USAGE = 64

const USAGE = `usage: npm run simulator -- [flags]

  --port PORT         where it listens on loopback; 0 takes a free one (SIMULATOR_PORT, 8090)
  --seed NUMBER       of all chance (SIMULATOR_SEED, 1)
  --certificate FILE  PEM; adds an app for the JWT bearer grant (SIMULATOR_CERTIFICATE_FILE)
  --tls-key FILE      PEM; https, with --tls-cert (SIMULATOR_TLS_KEY_FILE)
  --tls-cert FILE     PEM; https, with --tls-key (SIMULATOR_TLS_CERT_FILE)
  --json              prints what it has as JSON
  --help              prints this
`

const flags = readFlags()
const simulator = await started(flags)

function readFlags() {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: 'string', default: process.env.SIMULATOR_PORT ?? '8090' },
        seed: { type: 'string', default: process.env.SIMULATOR_SEED ?? '1' },
        certificate: { type: 'string', default: process.env.SIMULATOR_CERTIFICATE_FILE ?? '' },
        'tls-key': { type: 'string', default: process.env.SIMULATOR_TLS_KEY_FILE ?? '' },
        'tls-cert': { type: 'string', default: process.env.SIMULATOR_TLS_CERT_FILE ?? '' },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(USAGE)
      process.exit(0)
    }
    if (!/^\d{1,5}$/.test(values.port) || Number(values.port) > 65_535) {
      throw new Error('--port must be a number from 0 to 65535')
    }
    if (!/^\d{1,9}$/.test(values.seed)) throw new Error('--seed must be a whole number')
    if ((values['tls-key'] === '') !== (values['tls-cert'] === '')) {
      throw new Error('--tls-key and --tls-cert go together')
    }
    return values
  } catch (error) {
    return end(`${(error as Error).message.split('\n')[0]}. See --help`)
  }
}

async function started(given: Flags): Promise<Simulator> {
  try {
    const ready = await startSimulator(optionsOf(given))
    ready.addClientCredentialsApp()
    if (given.certificate !== '') {
      ready.addJwtApp({ certificatePem: readFileSync(given.certificate, 'utf8') })
    }
    return ready
  } catch (error) {
    const { code, message, path } = error as NodeJS.ErrnoException
    if (code === 'EADDRINUSE') {
      return end(
        `port ${given.port} is in use: stop what has it, or give another --port (0 for any)`,
      )
    }
    return end(path === undefined ? message : `${path} cannot be read (${code})`)
  }
}

function end(why: string): never {
  process.stderr.write(`simulator: ${why}\n`)
  process.exit(EX_USAGE)
}
console.log(flags.json ? JSON.stringify(seedsOf(simulator)) : description(simulator))

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void simulator.stop())
}

type Flags = ReturnType<typeof readFlags>

function optionsOf(given: Flags): SimulatorOptions {
  const keyFile = given['tls-key']
  const certFile = given['tls-cert']
  return {
    port: Number(given.port),
    seed: Number(given.seed),
    ...(keyFile === '' || certFile === ''
      ? {}
      : { tls: { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') } }),
  }
}

function seedsOf({ port, origins, users, apps }: Simulator) {
  return { port, origins, users: users(), apps: apps() }
}

function description(started: Simulator): string {
  const { origins } = started
  const apps = started
    .apps()
    .flatMap(({ name, clientId, clientSecret, username, loginUrl }) => [
      '',
      `${name}, acting as ${username}`,
      `  login_url      ${loginUrl}`,
      `  client_id      ${clientId}`,
      `  client_secret  ${clientSecret}`,
    ])
  return [
    'An offline Salesforce is listening. It stays up until you press Ctrl-C.',
    `  My Domain of acme         ${origins.myDomain}`,
    `  login.salesforce.com      ${origins.login}`,
    `  test.salesforce.com       ${origins.test}`,
    `  My Domain of the sandbox  ${origins.sandbox}`,
    `  Control API               ${origins.myDomain}/__simulator`,
    ...apps,
    '',
    'An app for the JWT bearer grant needs your certificate (--certificate FILE), or:',
    `  curl -s ${origins.myDomain}/__simulator/apps/jwt-bearer -d "$(jq -Rs '{certificate_pem: .}' < cert.pem)"`,
  ].join('\n')
}
