import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { Agent, request } from 'node:https'
import { connect } from 'node:tls'
import t from 'tap'
import { createAuthority, type Issued, selfSigned } from '../support/authority.ts'
import { spawnValetkey } from '../support/broker.ts'
import { eventually } from '../support/eventually.ts'
import { startHttpsBroker } from '../support/https-broker.ts'

const authority = createAuthority(t)
const SPIFFE = 'spiffe://acme.example/ns/billing/sa/worker'
const san = `URI:${SPIFFE}`
const purpose = 'clientAuth'
const callers = [
  {
    name: 'billing',
    match: { certificate: 'spiffe://acme.example/ns/billing/*' },
    permissions: ['tokens:read'],
    integrations: ['billing-*'],
  },
  {
    name: 'crm',
    match: { certificate: 'O=Acme, CN=crm' },
    permissions: ['tokens:read'],
    integrations: ['crm'],
  },
]

t.test('a client certificate says who calls', async (t) => {
  const { get, adminKey } = await startHttpsBroker(t, { authority, callers })
  const client = authority.issue({ san, purpose, subject: '/CN=whatever' })

  t.match(await get('/whoami', { client }), {
    status: 200,
    body: {
      principal: `mtls:${SPIFFE}`,
      kind: 'mtls',
      name: 'billing',
      permissions: [{ permission: 'tokens:read', integrations: ['billing-*'], labels: {} }],
    },
  })
  t.match(await get('/tokens/crm', { client }), { status: 403 })

  const subject = authority.issue({ subject: '/O=Acme/CN=crm', purpose })
  t.match(await get('/whoami', { client: subject }), {
    status: 200,
    body: { principal: 'mtls:O=Acme, CN=crm', name: 'crm' },
  })
  const bare = authority.issue({ subject: '/O=Acme/CN=crm' })
  t.match(await get('/whoami', { client: bare }), { status: 200 }, 'without any purpose')

  const stranger = authority.issue({ subject: '/O=Acme/CN=stranger', purpose })
  t.match(await get('/whoami', { client: stranger }), {
    status: 403,
    body: { code: 'caller_forbidden' },
  })

  t.match(await get('/whoami'), { status: 401 }, 'nobody is required to show one')
  t.match(await get('/whoami', { key: adminKey }), { status: 200, body: { principal: 'admin' } })
  t.match(await get('/whoami', { key: adminKey, client }), { body: { principal: 'admin' } })
  t.match(
    await get('/whoami', { key: 'wrong', client }),
    { status: 401 },
    'a bearer credential wins',
  )
  t.match(
    await get('/whoami', { client, headers: { authorization: 'Basic eDp5' } }),
    { status: 200 },
    'another scheme is no bearer credential',
  )
})

t.test('a chain through an intermediate CA is followed', async (t) => {
  const { get } = await startHttpsBroker(t, { authority, callers })
  const middle = authority.intermediate('Middle CA')
  const leaf = middle.issue({ san, purpose })
  const chained = { key: leaf.key, cert: leaf.cert + middle.certificate }
  t.match(await get('/whoami', { client: chained }), { status: 200 })
  t.match(await get('/whoami', { client: leaf }), { status: 401 }, 'the link is missing')
})

t.test('of all certificates that are wrong none is accepted', async (t) => {
  const { get, output } = await startHttpsBroker(t, { authority, callers })
  const other = createAuthority(t, 'Test CA')
  const leaf = authority.issue({ san, purpose })
  const notACa = { key: leaf.key, cert: leaf.cert }
  const wrong: Readonly<Record<string, Issued>> = {
    ended: authority.issue({
      san,
      purpose,
      notBefore: '20200101000000Z',
      notAfter: '20200102000000Z',
    }),
    'ended, by subject': authority.issue({
      subject: '/O=Acme/CN=crm',
      purpose,
      notBefore: '20200101000000Z',
      notAfter: '20240102000000Z',
    }),
    'not begun': authority.issue({
      san,
      purpose,
      notBefore: '20900101000000Z',
      notAfter: '20910102000000Z',
    }),
    'of a CA of the same name': other.issue({ san, purpose }),
    'of a CA of the same name, by subject': other.issue({ subject: '/O=Acme/CN=crm', purpose }),
    'self-signed': selfSigned(t, { san, purpose }),
    'self-signed, by subject': selfSigned(t, { subject: '/O=Acme/CN=crm' }),
    'for servers': authority.issue({ san, purpose: 'serverAuth' }),
    'for code': authority.issue({ san, purpose: 'codeSigning' }),
    'for mail': authority.issue({ san, purpose: 'emailProtection' }),
    'for timestamps': authority.issue({ san, purpose: 'critical,timeStamping' }),
    'for servers, by subject': authority.issue({
      subject: '/O=Acme/CN=crm',
      purpose: 'serverAuth',
    }),
    'of two SPIFFE ids': authority.issue({
      san: `${san},URI:spiffe://acme.example/ns/crm`,
      purpose,
    }),
    'of one SPIFFE id twice': authority.issue({ san: `${san},${san}`, purpose }),
    'of a SPIFFE id and another URI': authority.issue({
      san: `${san},URI:https://acme.example`,
      purpose,
    }),
    'of another URI before': authority.issue({ san: `URI:https://acme.example,${san}`, purpose }),
    'of a trust domain in capitals': authority.issue({
      san: 'URI:SPIFFE://acme.example/ns/billing/x',
      purpose,
    }),
    'of a path that climbs': authority.issue({
      san: 'URI:spiffe://acme.example/ns/billing/../crm',
      purpose,
    }),
    'of a path with an empty part': authority.issue({
      san: 'URI:spiffe://acme.example/ns/billing//x',
      purpose,
    }),
    'of a path that ends with a slash': authority.issue({
      san: 'URI:spiffe://acme.example/ns/billing/x/',
      purpose,
    }),
    'of no path': authority.issue({ san: 'URI:spiffe://acme.example', purpose }),
    'of a query': authority.issue({ san: 'URI:spiffe://acme.example/ns/billing/x?y', purpose }),
    'of a port': authority.issue({ san: 'URI:spiffe://acme.example:443/ns/billing/x', purpose }),
    'of a user': authority.issue({ san: 'URI:spiffe://x@acme.example/ns/billing/x', purpose }),
    'of percent signs': authority.issue({
      san: 'URI:spiffe://acme.example/ns/billing/%2e%2e',
      purpose,
    }),
    'signed by a certificate that is no CA': signedBy(notACa),
  }
  t.ok(Object.keys(wrong).length >= 25)
  for (const [name, client] of Object.entries(wrong)) {
    t.match(
      await get('/whoami', { client }),
      {
        status: 401,
        body: { code: 'caller_unauthenticated', detail: 'The client certificate is not valid' },
      },
      name,
    )
  }
  t.match(output(), 'CERTIFICATE_UNTRUSTED')
  t.match(output(), 'CERTIFICATE_NAMELESS')

  const tricks: Readonly<Record<string, Issued>> = {
    'a SPIFFE id in the common name': authority.issue({
      subject: `/CN=${SPIFFE.replaceAll('/', '\\/')}`,
      purpose,
    }),
    'a SPIFFE id as a DNS name': authority.issue({
      subject: '/CN=x',
      san: 'DNS:spiffe.acme.example',
      purpose,
    }),
    'a name inside a name': authority.issue({ subject: '/CN=O=Acme\\, CN=crm', purpose }),
    'a name beside a name': authority.issue({ subject: '/O=Acme, CN=crm/CN=x', purpose }),
    'another trust domain': authority.issue({
      san: 'URI:spiffe://acme.example.evil/ns/billing/x',
      purpose,
    }),
  }
  for (const [name, client] of Object.entries(tricks)) {
    t.match(await get('/whoami', { client }), { status: 403 }, `${name}: nobody that is known`)
  }

  const forwarded = {
    'x-forwarded-client-cert': `By=spiffe://x;Hash=0;URI=${SPIFFE}`,
    'x-client-cert': encodeURIComponent(leaf.cert),
    'ssl-client-verify': 'SUCCESS',
    'ssl-client-subject-dn': 'O=Acme, CN=crm',
  }
  t.match(await get('/whoami', { headers: forwarded }), { status: 401 }, 'headers prove nothing')
})

/** By the key of a leaf, as if it were a CA. */
function signedBy(leaf: Issued): Issued {
  const rogue = createAuthority(t, 'rogue', leaf)
  const issued = rogue.issue({ san, purpose })
  return { key: issued.key, cert: issued.cert + leaf.cert }
}

t.test('certificates are read again when the files change, and connections stay', async (t) => {
  const { get, write, output } = await startHttpsBroker(t, { authority, callers })
  const client = authority.issue({ san, purpose })
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 1,
    ca: authority.certificate,
    cert: client.cert,
    key: client.key,
  })
  t.teardown(() => agent.destroy())
  const before = await get('/whoami', { agent })
  t.equal(before.status, 200)

  const renewed = authority.issue({ san: 'DNS:localhost', purpose: 'serverAuth' })
  await write(renewed)
  const after = await eventually(async () => {
    const answer = await get('/whoami', { client })
    return answer.serial === before.serial ? undefined : answer
  })
  t.equal(after.status, 200)
  const kept = await get('/whoami', { agent })
  t.match(kept, { status: 200, serial: before.serial }, 'the open connection is still there')

  await write({ key: authority.issue().key })
  await eventually(() => output().includes('is not usable; the old one remains in use'))
  t.equal((await get('/whoami', { client })).serial, after.serial, 'a key of another certificate')
  await write({ cert: 'no certificate' })
  t.equal((await get('/whoami', { client })).serial, after.serial)
  await write(authority.issue({ san: 'DNS:localhost', purpose: 'serverAuth' }))
  await eventually(async () => (await get('/whoami', { client })).serial !== after.serial)
})

t.test(
  'clients of a CA that was taken away are refused, and those of the new one are known',
  async (t) => {
    const { get, write } = await startHttpsBroker(t, { authority, callers })
    const next = createAuthority(t, 'Next CA')
    const former = authority.issue({ san, purpose })
    const later = next.issue({ san, purpose })
    t.equal((await get('/whoami', { client: former })).status, 200)
    t.equal((await get('/whoami', { client: later })).status, 401)
    await write({ ca: authority.certificate + next.certificate })
    await eventually(async () => (await get('/whoami', { client: later })).status === 200)
    t.equal((await get('/whoami', { client: former })).status, 200)
    await write({ ca: next.certificate })
    await eventually(async () => (await get('/whoami', { client: former })).status === 401)
    t.equal((await get('/whoami', { client: later })).status, 200)
  },
)

t.test('a session is never resumed: what another CA had verified would come back', async (t) => {
  const { port } = await startHttpsBroker(t, { authority, callers })
  const { cert, key } = authority.issue({ san, purpose })
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const options = {
      port,
      host: 'localhost',
      ca: authority.certificate,
      cert,
      key,
      maxVersion: version,
      minVersion: version,
    }
    const first = connect(options)
    let session: Buffer | undefined
    first.on('session', (given: Buffer) => {
      session = given
    })
    await once(first, 'secureConnect')
    first.write('GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    first.resume()
    await once(first, 'close')
    const held = session ?? first.getSession()
    const second = connect({ ...options, ...(held && { session: held }) })
    await once(second, 'secureConnect')
    t.notOk(second.isSessionReused(), version)
    second.destroy()
  }
})

t.test('without a CA for clients nobody is asked for a certificate', async (t) => {
  const { get, adminKey, port } = await startHttpsBroker(t, { authority, callers, clientCa: null })
  const client = authority.issue({ san, purpose })
  t.match(await get('/whoami', { client }), { status: 401 })
  t.match(await get('/whoami', { key: adminKey }), { status: 200 })
  const old = connect({
    port,
    host: 'localhost',
    ca: authority.certificate,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
  })
  const [error] = await once(old, 'error')
  t.type(error, Error, 'TLS 1.1 is not spoken')
})

t.test('certificate files that cannot be used are a mistake of the settings', async (t) => {
  const child = spawnValetkey(['serve'], {
    VALETKEY_PORT: '0',
    VALETKEY_METRICS_PORT: '0',
    VALETKEY_DATA_DIR: '/nonexistent/data',
    VALETKEY_TLS_CERT_FILE: '/nonexistent/cert',
    VALETKEY_TLS_KEY_FILE: '/nonexistent/key',
  })
  let output = ''
  child.stderr?.on('data', (chunk) => {
    output += chunk
  })
  const [code] = await once(child, 'exit')
  t.equal(code, 78)
  t.match(output, 'VALETKEY_TLS_CERT_FILE: cannot be used (ENOENT)')
})

t.test('a long public answer arrives whole, though TLS sends it in pieces', async (t) => {
  const { port } = await startHttpsBroker(t, { authority, clientCa: null })
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    request({ host: 'localhost', port, path: '/openapi.json', ca: authority.certificate }, resolve)
      .on('error', reject)
      .end()
  })
  const bytes = Buffer.concat(await answer.toArray())
  t.equal(String(bytes.length), answer.headers['content-length'])
  t.ok(bytes.length > 2 * 64 * 1024)
  t.equal(JSON.parse(bytes.toString()).openapi.slice(0, 2), '3.')
})
