/** `npm run compat [-- PART [ONLY [ONE]]]`: the product with other people's software, as it can be had as packages. Too long for the tests. */
import { testClients } from './clients.ts'
import { runTests } from './run-tests.ts'
import { testServers } from './servers.ts'

const EX_USAGE = 64

const PARTS: Readonly<Record<string, (only: string, one: string) => Promise<boolean>>> = {
  async servers(only, one) {
    const { tested } = await testServers(only, one)
    return tested.every(({ results }) => Object.values(results).every(({ failed }) => failed === 0))
  },
  async clients(only) {
    return (await testClients(only)).every(({ failed }) => failed === 0)
  },
  async environment() {
    const { passed, failed } = await runTests(['compat/sf-environment.test.ts'], {})
    console.log(`the variables of valetkey token with sf: ${passed} passed, ${failed} failed`)
    return failed === 0
  },
  async dpop() {
    const { passed, failed } = await runTests(['compat/dpop-soap.test.ts'], {})
    console.log(`proofs in SOAP with the Java connector: ${passed} passed, ${failed} failed`)
    return failed === 0
  },
  async image() {
    const { passed, failed } = await runTests(['compat/image-pkcs11.test.ts'], {})
    console.log(`the image with PKCS#11: ${passed} passed, ${failed} failed`)
    return failed === 0
  },
}

const [part, only = '', one = ''] = process.argv.slice(2)
if (part !== undefined && !(part in PARTS)) {
  console.error(`compat: there is ${Object.keys(PARTS).join(', ')}; not ${part}`)
  process.exitCode = EX_USAGE
} else {
  const parts = Object.entries(PARTS).filter(([name]) => part === undefined || name === part)
  for (const [, run] of parts) if (!(await run(only, one))) process.exitCode = 1
  console.log('`npm run generate` writes what came of it into the documents.')
}
