import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Simulator, type SimulatorOptions, startSimulator } from './simulator.ts'

/** The command `npm run simulator`: an offline Salesforce in a process of its own, until SIGTERM or SIGINT. */

const { values: flags } = parseArgs({
  options: {
    port: { type: 'string', default: process.env.SIMULATOR_PORT ?? '8090' },
    seed: { type: 'string', default: process.env.SIMULATOR_SEED ?? '1' },
    certificate: { type: 'string', default: process.env.SIMULATOR_CERTIFICATE_FILE ?? '' },
    'tls-key': { type: 'string', default: process.env.SIMULATOR_TLS_KEY_FILE ?? '' },
    'tls-cert': { type: 'string', default: process.env.SIMULATOR_TLS_CERT_FILE ?? '' },
    json: { type: 'boolean', default: false },
  },
})

const simulator = await startSimulator(optionsOf(flags))
simulator.addClientCredentialsApp()
if (flags.certificate !== '') {
  simulator.addJwtApp({ certificatePem: readFileSync(flags.certificate, 'utf8') })
}
console.log(flags.json ? JSON.stringify(seedsOf(simulator)) : description(simulator))

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => void simulator.stop())
}

function optionsOf(given: typeof flags): SimulatorOptions {
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
    'An offline Salesforce is listening.',
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
