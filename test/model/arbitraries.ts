/** Which commands come, and how often. */
import fc from 'fast-check'
import {
  CLIENTS,
  type Command,
  crash,
  freeze,
  herd,
  LOGIN_URLS,
  link,
  mend,
  NAMES,
  pass,
  put,
  type RejectedKind,
  read,
  remove,
  revoke,
  salesforceIs,
  thaw,
} from './commands.ts'
import type { SalesforceMode } from './fake-salesforce.ts'
import type { LinkMode } from './faulty-store.ts'
import { cutOff, cutOffFromFreeze, heardAgain, outlived } from './stories.ts'

const index = fc.nat(1)
const name = fc.constantFrom(...NAMES)
const loginUrl = fc.constantFrom(...LOGIN_URLS)
const client = fc.constantFrom(...CLIENTS)
/** Some are left under way, so that what follows happens meanwhile. */
const waits = fc.oneof(
  { weight: 4, arbitrary: fc.constant(true) },
  { weight: 2, arbitrary: fc.constant(false) },
)
const minTtl = fc.constantFrom(0, 0, 1_000, 30_000)
const rejecting = fc.constantFrom<RejectedKind>(
  'nothing',
  'nothing',
  'nothing',
  'nothing',
  'current',
  'another',
)
const enabled = fc.constantFrom(true, true, true, false)
const revokes = fc.constantFrom(true, true, false)
const moment = fc.constantFrom(20, 60, 300, 1_000, 1_200, 3_000, 9_000, 20_000)
const mode = fc.constantFrom<LinkMode>('up', 'up', 'down', 'hanging', 'lost')
const weather = fc.constantFrom<SalesforceMode>('well', 'well', 'down', 'refusing')

const readCommand = fc.tuple(index, name, minTtl, rejecting, waits).map((of) => read(...of))
const putCommand = fc.tuple(index, name, loginUrl, client, enabled, waits).map((of) => put(...of))

export const COMMANDS: fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 6 }, () => readCommand),
  ...Array.from({ length: 2 }, () => putCommand),
  fc.tuple(index, name, waits).map((of) => remove(...of)),
  ...Array.from({ length: 2 }, () => fc.tuple(index, name, waits).map((of) => revoke(...of))),
  ...Array.from({ length: 2 }, () =>
    fc.tuple(index, name, revokes, waits).map((of) => freeze(...of)),
  ),
  fc.tuple(index, waits).map((of) => thaw(...of)),
  ...Array.from({ length: 3 }, () => moment.map(pass)),
  name.map(herd),
  fc.tuple(index, mode).map((of) => link(...of)),
  index.map(crash),
  weather.map(salesforceIs),
  fc
    .tuple(index, name, fc.constantFrom<LinkMode>('down', 'hanging', 'lost'))
    .map((of) => cutOff(...of)),
  fc
    .tuple(index, name, fc.constantFrom<LinkMode>('down', 'hanging'))
    .map((of) => cutOffFromFreeze(...of)),
  fc.tuple(index, name).map((of) => heardAgain(...of)),
  fc.tuple(index, name, mode).map((of) => outlived(...of)),
  fc.constant(mend),
]

/** Of each name at each replica, when all is well again. */
export const everyRead: readonly Command[] = NAMES.flatMap((of) =>
  [0, 1].map((which) => read(which, of, 0, 'nothing', true)),
)
