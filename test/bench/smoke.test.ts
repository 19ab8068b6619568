/** A change that halves the speed of a hit does not land. Ratios of CPU time, and the best of some rounds: what else the machine does costs both sides. */
import t from 'tap'
import { measureHit } from '../../bench/hit.ts'

/** `npm run bench -- hit` has the target. The same code gives 0.57 to 0.68 at best on one kind of machine and 0.85 on another: half of either is below the floor. */
const FLOOR = 0.45

t.test('a hit keeps up with bare node:http, without Redis and without cryptography', async (t) => {
  const { pairs, redisCommandsPerHit } = await measureHit(t, {
    ...{ rounds: 4, seconds: 1, warmSeconds: 2 },
  })
  const ratios = pairs.map(([ours, bare]) => bare.cpuUs / ours.cpuUs)
  const shown = ratios.map((ratio) => ratio.toFixed(2)).join(', ')
  t.ok(Math.max(...ratios) >= FLOOR, `${shown} of bare node:http; at least ${FLOOR} once`)
  // A replica asks Redis some forty times a second whether or not anybody asks it.
  t.ok(redisCommandsPerHit < 0.1, `${redisCommandsPerHit} Redis commands a hit`)
  t.equal(
    pairs.reduce((sum, [{ cryptoCalls }]) => sum + cryptoCalls, 0),
    0,
    'signatures, verifications and decryptions',
  )
  t.equal(
    pairs.flat().reduce((sum, { failures }) => sum + failures, 0),
    0,
    'failed requests',
  )
})
