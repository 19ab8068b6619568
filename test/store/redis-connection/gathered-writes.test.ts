import { Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Redis } from 'ioredis'
import t from 'tap'
import { withGatheredWrites } from '../../../src/store/redis-connection/gathered-writes.ts'

function client() {
  const writes: string[][] = []
  const socket = () =>
    new Writable({
      decodeStrings: false,
      write(chunk, _encoding, done) {
        writes.push([chunk])
        done()
      },
      writev(chunks, done) {
        writes.push(chunks.map(({ chunk }) => chunk))
        done()
      },
    })
  const fake = {
    stream: undefined as Writable | undefined,
    sendCommand(command: string) {
      fake.stream?.write(command)
    },
  }
  withGatheredWrites(fake as unknown as Redis)
  return { fake, socket, writes }
}

t.test('the commands of a turn leave in one write, in their order', async (t) => {
  const { fake, socket, writes } = client()
  fake.stream = socket()
  fake.sendCommand('a')
  await Promise.resolve()
  fake.sendCommand('b')
  t.same(writes, [])
  await nextTurn()
  t.same(writes, [['a', 'b']])
  fake.sendCommand('c')
  await nextTurn()
  t.same(writes, [['a', 'b'], ['c']])
})

t.test('a client that is connected again gathers for its new socket', async (t) => {
  const { fake, socket, writes } = client()
  fake.sendCommand('before it is connected')
  fake.stream = socket()
  fake.sendCommand('a')
  fake.stream = socket()
  fake.sendCommand('b')
  fake.sendCommand('c')
  await nextTurn()
  t.same(writes, [['a'], ['b', 'c']])
})

t.test('what was sent before a connection is closed leaves before its end', async (t) => {
  const { fake, socket, writes } = client()
  fake.stream = socket()
  fake.sendCommand('a')
  fake.stream.end()
  t.same(writes, [['a']])
  await nextTurn()
})
