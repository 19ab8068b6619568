/** The image with `--build-arg PKCS11=with`: its package is compiled, loaded and signs by SoftHSM. `npm run compat -- image` runs it. */
import { createPublicKey, verify } from 'node:crypto'
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { provideCommand, run, unlessProvided } from '../test/support/apt.ts'
import { runInContainer } from '../test/support/container.ts'
import { addLibraries, buildImage, canRunImages } from '../test/support/image.ts'
import { newSoftHsm, provideSoftHsm, SOFTHSM_MODULE } from '../test/support/softhsm.ts'

t.setTimeout(900_000)

const announce = (line: string) => t.comment(line)
const skip =
  !canRunImages() ||
  unlessProvided(provideCommand('buildah', announce)) ||
  unlessProvided(provideCommand('debootstrap', announce)) ||
  unlessProvided(provideSoftHsm(announce))

const DATA = 'what a proof says'

/** Asks the process of the module as the service does. */
const ASK = `
const [place, module, data] = process.argv.slice(1)
const worker = require('node:child_process').fork('/app/dist/pkcs11-worker.cjs', [module], { serialization: 'advanced' })
const answers = []
worker.on('message', (answer) => {
  answers.push(answer)
  if (answers.length < 2) return
  const hexOf = (value) => value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value
  console.log(JSON.stringify(answers, (_name, value) => hexOf(value)))
  worker.kill('SIGKILL')
})
const asked = { place: JSON.parse(place), key: 'proofs', algorithm: 'ES256' }
worker.send({ id: 1, ...asked })
worker.send({ id: 2, ...asked, data: Buffer.from(data) })
`

t.test('signs with a key of SoftHSM, as nobody and on a read-only root', { skip }, async (t) => {
  const { root, config, borrowed } = await buildImage(t, { hasPkcs11: true })
  t.ok(existsSync(join(root, 'app/node_modules/pkcs11js/build/Release/pkcs11.node')))
  t.notOk(existsSync(join(root, 'usr/bin/g++')), 'the compiler stays behind')
  // As an image that is derived from it adds the library of an HSM.
  mkdirSync(dirname(join(root, SOFTHSM_MODULE)), { recursive: true })
  copyFileSync(SOFTHSM_MODULE, join(root, SOFTHSM_MODULE))
  await addLibraries(root, SOFTHSM_MODULE)
  // The container has a `/tmp` of its own, and the configuration of SoftHSM names this folder.
  const folder = await mkdtemp('/var/tmp/valetkey-hsm-')
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const hsm = newSoftHsm(folder)
  hsm.newToken('valetkey')
  hsm.newKey('valetkey', 'proofs', 'EC:prime256v1')
  const pinFile = join(folder, 'pin')
  writeFileSync(pinFile, hsm.pin)
  t.ok(run('chown', ['-R', config.User, folder]))

  const ask = (module: string) =>
    runInContainer(t, {
      ...{ root, user: config.User, mounts: [...borrowed, { from: folder, to: folder }] },
      env: { SOFTHSM2_CONF: hsm.config },
      command: [
        ...['/nodejs/bin/node', '-e', ASK],
        ...[JSON.stringify({ token: 'valetkey', pinFile }), module, DATA],
      ],
    })
  const { status, output } = await ask(SOFTHSM_MODULE)
  t.equal(status, 0, output)
  const [{ result: key }, { result: signed }] = JSON.parse(output)
  const hex = (text: string) => Buffer.from(text, 'hex')
  const numberOf = (text: string) => hex(text).toString('base64url')
  const jwk = { kty: 'EC', crv: 'P-256', x: numberOf(key.x), y: numberOf(key.y) }
  const publicKey = createPublicKey({ key: jwk, format: 'jwk' })
  const form = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const
  t.ok(verify('sha256', Buffer.from(DATA), form, hex(signed.signature)))

  const none = await ask('/none.so')
  t.match(JSON.parse(none.output), [{ trouble: { fault: 'no_module' } }], 'the package is loaded')
})
