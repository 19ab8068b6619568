/** The five steps of docs/keyring.md over a fleet of real processes, under load. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { generateKeyring } from '../../src/crypto/keyring.ts'
import { readDocument } from '../support/document.ts'
import { ENTRY_POINT } from '../support/entry-point.ts'
import { eventually } from '../support/eventually.ts'
import { type Fleet, startFleet } from '../support/fleet.ts'
import { startLoad, tally } from '../support/load.ts'
import { inEachShell, SHELLS, type ShellName, startShell } from '../support/shell.ts'

t.setTimeout(180_000)

interface Size {
  readonly replicas: number
  readonly records: number
}

/** Under load, with enough records that a reseal takes a while. */
const FLEET: Size = { replicas: 2, records: 200 }
/** What the commands of the document do is the same in each shell, or they fail. */
const ALONE: Size = { replicas: 1, records: 25 }
/** More than there are: marks of replicas, of callers, of what is known of each login. */
const DOCUMENTS = 60
const AT_ONCE = 25

const doc = readDocument('docs/keyring.md')

async function fill({ call, simulator }: Fleet, records: number): Promise<void> {
  const { myDomain } = simulator.origins
  const put = (i: number) =>
    call('PUT', `/integrations/filler-${i}`, {
      body: {
        login_url: myDomain,
        grant: { type: 'client_credentials', client_id: `3MVG9${i}` },
        credential: { client_secret: `secret-${i}-${'x'.repeat(32)}` },
      },
    })
  for (let at = 0; at < records; at += AT_ONCE) {
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => put(at + i)))
    for (const { status } of answers) if (status !== 201) throw new Error(`PUT: ${status}`)
  }
}

inEachShell(t, 'a keyring is rotated without a gap', (t, shell) =>
  rotate(t, shell, shell === SHELLS[0] ? FLEET : ALONE),
)

async function rotate(t: Test, shell: ShellName, size: Size): Promise<void> {
  const folder = t.testdir()
  const keyringFile = join(folder, 'keyring')
  const first = generateKeyring(Date.now()).reveal()
  const firstId = first.split(':')[0] ?? ''
  writeFileSync(keyringFile, `${first}\n`)
  const fleet = await startFleet(t, {
    replicas: size.replicas,
    env: { VALETKEY_KEYRING: undefined, VALETKEY_KEYRING_FILE: keyringFile },
  })
  const { replicas, replica, call, key } = fleet
  const last = replica(size.replicas - 1)
  const names = ['one', 'two'].slice(0, size.replicas)
  await Promise.all(names.map((name) => fleet.integrate(name)))
  await fill(fleet, size.records)

  mkdirSync(join(folder, 'data'))
  mkdirSync(join(folder, 'bin'))
  writeFileSync(join(folder, 'data/admin.key'), key)
  writeFileSync(join(folder, 'variables'), '')
  const command = join(folder, 'bin/valetkey')
  writeFileSync(command, `#!/bin/sh\nexec "${process.execPath}" "${ENTRY_POINT}" "$@"\n`)
  chmodSync(command, 0o755)
  const [start = '', ...all] = doc.blocks('sh', '## Rotate it, in five steps')
  // There is no Kubernetes here: replicas are started anew in its place.
  const steps = all.filter((step) => !step.startsWith('kubectl'))
  const [append = '', look = '', putFirst = '', reseal = '', wait = '', drop = '', ...more] = steps
  t.same(more, [])
  const run = async (script: string) => {
    const names = start
      .replace(/\bbroker=\S+/, `broker=${last.url}`)
      .replace(/\bkeyring=\S+/, `keyring=${keyringFile}`)
    // The backslash is for the linter, which takes the shell's variable for one of ours.
    const keep = `printf "new=%s" "\${new-}" > variables`
    const running = startShell(t, [names, '. ./variables', script, keep].join('\n'), {
      cwd: folder,
      shell,
      env: { PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
    })
    const status = await running.ended
    await running.stop()
    t.equal(status, 0, running.output())
    return running.stdout()
  }
  const roll = async () => {
    for (const one of replicas) await one.restart()
  }
  /** A mint opens the credential on this very replica; the others open the lease that came of it. */
  const everyReplicaMints = async (when: string) => {
    for (const [index, { call }] of replicas.entries()) {
      const name = names[index] ?? ''
      t.equal((await call('DELETE', `/tokens/${name}`)).status, 204, when)
      for (const other of replicas) {
        const { status, body } = await other.call('GET', `/tokens/${name}`)
        t.equal(status, 200, `${when}: ${JSON.stringify(body.code)}`)
      }
    }
  }

  // A single replica is not there while it is restarted.
  const load =
    size === FLEET ? startLoad({ urls: fleet.urls, names, perSecond: 60, key }) : undefined
  t.teardown(() => load?.stop())
  await run(append)
  await roll()
  await everyReplicaMints('both have been appended')
  const both = JSON.parse(await run(look))
  const newId = both.keys[1].id
  t.match(both, {
    sealing_key: firstId,
    keys: [
      { id: firstId, state: 'sealing', replicas: size.replicas, can_be_dropped: false },
      { id: newId, state: 'opening', replicas: size.replicas, records: 0 },
    ],
    reseal: null,
  })
  t.equal(both.keys[0].by_kind.credentials, size.records + names.length)
  t.equal(both.keys[0].by_kind.leases, names.length)

  await run(putFirst)
  await replica(0).restart()
  await everyReplicaMints('one seals with the new, the other with the old')
  t.ok(isFine((await call('GET', '/readyz')).body.checks), 'and all is well')
  for (const one of replicas.slice(1)) await one.restart()
  await everyReplicaMints('all seal with the new')

  await run(reseal)
  // Wherever it is by now: test/keyring/resealer.test.ts stops one in the very middle.
  await last.restart('SIGKILL')
  const left = (await call('GET', '/keyring')).body.reseal
  t.comment(`after the kill: ${left.seen} records, ${left.state}`)
  await run(wait)
  await eventually(async () => (await call('GET', '/keyring')).body.reseal.state === 'done')
  const done = (await call('GET', '/keyring')).body
  t.match(done.reseal, { key: newId, state: 'done', failed: 0 })
  // Each integration has a seal and a code; documents, which are few, have codes.
  const most = 2 * (size.records + 2 * names.length) + DOCUMENTS
  t.ok(done.reseal.resealed < most, 'no record was sealed anew twice')
  t.match(done.keys, [
    { id: newId, state: 'sealing' },
    { id: firstId, records: 0 },
  ])

  await run(drop)
  await roll()
  await everyReplicaMints('the old one is gone')
  t.same(
    (await call('GET', '/keyring')).body.keys.map(({ id }: { id: string }) => id),
    [newId],
  )

  if (load) {
    const seen = await load.stop()
    t.ok(seen.length > 100)
    t.same(tally(seen.map(({ status }) => status)), { 200: seen.length }, 'no caller noticed')
  }
  const logs = replicas.map(({ output }) => output()).join('')
  t.notMatch(logs, /record_corrupt|is not in the keyring|are not compatible/)
  t.notMatch(logs, first.split(':')[1] ?? '', 'and no key is in a log')
  const { items } = (await call('GET', '/audit?action=keyring.resealed')).body
  t.match(items, [{ outcome: 'success', principal: null }])
  t.match((await call('GET', '/audit?action=keyring.reseal_requested')).body.items, [
    { principal: 'admin' },
  ])
}

const isFine = (checks: readonly { name: string; ok: boolean }[]) =>
  checks.every(({ name, ok }) => name !== 'keyring' || ok)
