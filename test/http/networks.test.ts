import { Socket } from 'node:net'
import t from 'tap'
import { subnetOf } from '../../src/http/address.ts'
import { createNetworks, isNetwork } from '../../src/http/networks.ts'

t.test('an address, or a CIDR', async (t) => {
  for (const text of ['10.0.0.1', '10.0.0.0/8', '0.0.0.0/0', '::1', '2001:db8::/32', '::/0']) {
    t.ok(isNetwork(text), text)
  }
  const others = ['', '10.0.0', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '10.0.0.0/08', '/8']
  for (const text of [...others, '::/129', 'fe80::1%eth0', 'localhost', '10.0.0.0/-1', ' ::1']) {
    t.notOk(isNetwork(text), text)
  }
})

t.test('an address is in a network of its own family, or mapped', async (t) => {
  const isWithin = createNetworks(['10.20.0.0/16', '192.0.2.7', '2001:db8::/32'])
  for (const address of ['10.20.0.1', '10.20.255.255', '192.0.2.7', '2001:db8::9']) {
    t.ok(isWithin(address), address)
  }
  t.ok(isWithin('::ffff:10.20.3.4'), 'IPv4 that is mapped to IPv6')
  for (const address of ['10.21.0.1', '192.0.2.8', '2001:db9::1', '::ffff:10.21.3.4', 'unknown']) {
    t.notOk(isWithin(address), address)
  }
  const { remoteAddress: gone } = new Socket()
  t.notOk(isWithin(gone as string), 'of a connection that is gone')
})

t.test('one site has a /24 or a /64', async (t) => {
  for (const [address, subnet] of [
    ['192.0.2.7', '192.0.2.0/24'],
    ['::ffff:192.0.2.7', '192.0.2.0/24'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:0:0:ffff::2', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', undefined],
    ['192.0.2.7:80', undefined],
    ['', undefined],
  ] as const) {
    t.equal(subnetOf(address), subnet, address)
  }
})
