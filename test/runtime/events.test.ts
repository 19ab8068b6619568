import t from 'tap'
import { createEvents } from '../../src/runtime/events.ts'

interface TestEvents {
  said: string
  ended: undefined
}

t.test('listeners are called in order, before emit returns', async (t) => {
  const events = createEvents<TestEvents>()
  const heard: string[] = []
  events.on('said', (text) => void heard.push(`first ${text}`))
  events.on('said', (text) => void heard.push(`second ${text}`))
  events.on('ended', () => void heard.push('ended'))
  events.emit('said', 'hello')
  t.same(heard, ['first hello', 'second hello'])
})

t.test('an event without a listener is nothing', async (t) => {
  const events = createEvents<TestEvents>()
  events.emit('ended', undefined)
  await t.resolves(events.emitted('said', 'hello'))
})

t.test('who waits waits for every listener, and each has begun before', async (t) => {
  const events = createEvents<TestEvents>()
  const heard: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  events.on('said', async () => {
    heard.push('begun')
    await promise
    heard.push('done')
  })
  events.on('said', () => void heard.push('at once'))
  const emitted = events.emitted('said', 'hello').then(() => heard.push('emitted'))
  t.same(heard, ['begun', 'at once'])
  resolve()
  await emitted
  t.same(heard, ['begun', 'at once', 'done', 'emitted'])
})
