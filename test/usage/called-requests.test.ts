import t from 'tap'
import { permitsRequest, REQUEST_PATTERN } from '../../src/callers/request-pattern.ts'
import {
  ALL_REQUESTS_MAX,
  type CalledRequest,
  mergedRequests,
  noteRequest,
  REQUESTS_MAX,
  type RequestCounts,
  requestRows,
  shapeOf,
  withRequests,
} from '../../src/usage/called-requests.ts'

const DAY_MS = 86_400_000
const NONE: RequestCounts = new Map()
const get = (principal: string, path: string): CalledRequest => ({
  ...{ principal, method: 'GET', path, outcome: 'permitted' },
})

t.test('a path becomes the smallest pattern without values, and permits the path', async (t) => {
  const data = '/services/data/v66.0'
  const shapes = [
    [`${data}/query`, '/services/data/*/query'],
    [`${data}/query/`, '/services/data/*/query'],
    [`${data}/query/01gRO0000016PIAYA2-500`, '/services/data/*/query/*'],
    [`${data}/sobjects/Account/0015g00000XyZabAAB`, '/services/data/*/sobjects/Account/*'],
    [`${data}/sobjects/Account/Ext__c/ann`, '/services/data/*/sobjects/Account/Ext__c/*'],
    [
      `${data}/sobjects/Account/Ext__c/ann/Owner`,
      '/services/data/*/sobjects/Account/Ext__c/*/Owner',
    ],
    [`${data}/sobjects/Account/Mail__c/a@b.example`, '/services/data/*/sobjects/Account/Mail__c/*'],
    [`${data}/composite`, '/services/data/*/composite'],
    ['/services/apexrest/orders/4711', '/services/apexrest/orders/*'],
    ['/services/apexrest/x/c56a4180-65aa-42ec-a945-5fd21dec0538', '/services/apexrest/x/*'],
    ['/services/apexrest/caf%C3%A9', '/services/apexrest/*'],
    [`/services/${'a/'.repeat(20)}`, `/services/${'a/'.repeat(11)}*`],
    ['/', '/'],
  ] as const
  for (const [path, shape] of shapes) {
    t.equal(shapeOf(path), shape)
    t.match(`GET ${shape}`, new RegExp(REQUEST_PATTERN.pattern))
    t.ok(permitsRequest([`GET ${shape}`], { method: 'GET', target: path }), path)
  }
})

t.test('counts add up, and are forgotten after 30 days', async (t) => {
  const now = 100 * DAY_MS
  const one: RequestCounts = new Map()
  const other: RequestCounts = new Map()
  noteRequest(one, get('a', '/x'), now - 2)
  noteRequest(one, get('a', '/x'), now - 1)
  noteRequest(other, get('a', '/x'), now)
  noteRequest(other, { ...get('a', '/x'), outcome: 'refused' }, now)
  noteRequest(other, get('a', '/old'), now - 31 * DAY_MS)
  const rows = requestRows(mergedRequests(one, other, now))
  t.strictSame(rows, [
    { ...get('a', '/x'), firstAt: now - 2, lastAt: now, count: 3 },
    { ...get('a', '/x'), outcome: 'refused', firstAt: now, lastAt: now, count: 1 },
  ])
  t.match(withRequests([], rows), [
    { principal: 'a', count: 0, firstAt: now - 2, lastAt: now, requests: rows },
  ])
})

t.test('a principal that asks for everything takes its own room only', async (t) => {
  const counts: RequestCounts = new Map()
  noteRequest(counts, get('quiet', '/x'), 1)
  for (let at = 0; at < 500; at += 1) {
    noteRequest(counts, { ...get('loud', `/p${at}`), outcome: 'refused' }, 2 + at)
  }
  noteRequest(counts, get('loud', '/kept'), 2)
  const rows = requestRows(mergedRequests(counts, NONE, 1_000))
  t.ok(rows.some(({ principal }) => principal === 'quiet'))
  t.equal(rows.filter(({ principal }) => principal === 'loud').length, REQUESTS_MAX)
  t.ok(
    rows.some(({ path }) => path === '/kept'),
    'what is permitted stays first',
  )
  for (let at = 0; at < 5_000; at += 1) noteRequest(counts, get(`p${at}`, '/x'), 3)
  t.ok(counts.size <= ALL_REQUESTS_MAX)
  t.ok(mergedRequests(counts, counts, 1_000).size <= ALL_REQUESTS_MAX)
})
