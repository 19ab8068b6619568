import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import { type ConfigFiles, type Environment, readConfig } from '../../src/config/config.ts'
import { ConfigError } from '../../src/config/config-error.ts'
import { SETTINGS, type SettingName } from '../../src/config/setting.ts'
import { Secret } from '../../src/crypto/secret.ts'

const keyring = `k1:${randomBytes(32).toString('base64')}`
const adminKey = randomBytes(24).toString('hex')
const redis = {
  VALETKEY_REDIS_URL: 'redis://127.0.0.1:6379/0',
  VALETKEY_KEYRING: keyring,
  VALETKEY_ADMIN_KEY: adminKey,
}

const noFiles: ConfigFiles = {
  readFile: () => {
    throw Object.assign(new Error('ENOENT: canary'), { code: 'ENOENT' })
  },
}

const tls = (more: Environment) => ({
  ...redis,
  VALETKEY_REDIS_URL: 'rediss://127.0.0.1:6379/0',
  ...more,
})
const read = (env: Environment, files = noFiles) => readConfig(env, files)

function mistakes(env: Environment, files = noFiles): readonly string[] {
  try {
    read(env, files)
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes
    throw error
  }
  return []
}

/** The only mistake. */
function mistake(env: Environment, files = noFiles): string {
  const found = mistakes(env, files)
  if (found.length !== 1) throw new Error(`${found.length} mistakes: ${found.join('; ')}`)
  return found[0] ?? ''
}

t.test('reads no settings as the defaults of the contract', async (t) => {
  t.strictSame(read({ PATH: '/bin', HOME: '/root' }), {
    host: '127.0.0.1',
    port: 8080,
    metricsPort: 9464,
    redisUrl: undefined,
    redisPrefix: 'vk:',
    redisCaFile: undefined,
    redisCertFile: undefined,
    redisKeyFile: undefined,
    redisNatMap: undefined,
    redisSentinelPassword: undefined,
    redisWaitReplicas: 0,
    dataDir: './data',
    keyring: undefined,
    adminKeys: [],
    loginHosts: [],
    signersFile: undefined,
    configFile: undefined,
    httpsProxy: undefined,
    noProxy: undefined,
    publicUrl: undefined,
    egressAddresses: [],
    degradedMs: 900_000,
    witnessFile: undefined,
    restored: 'ask',
    unprovenRecords: 'migrate',
    connectionsPerAddress: 0,
    audit: 'batched',
    auditFile: undefined,
    webhookUrl: undefined,
    webhookSecrets: [],
    trustProxy: [],
    tlsCertFile: undefined,
    tlsKeyFile: undefined,
    tlsClientCaFile: undefined,
    docs: true,
    callerNetworks: 'hashed',
    statusPage: true,
    soapLogin: true,
    logLevel: 'info',
    otlpEndpoint: undefined,
    otlpHeaders: {},
    otlpTimeoutMs: 10_000,
    serviceName: 'valetkey',
    traceAttributes: {},
    traceSampler: 'parentbased_always_on',
    traceRatio: 1,
    files: {},
  })
})

t.test('counts an empty variable as unset', async (t) => {
  const empty = Object.fromEntries(Object.values(SETTINGS).map(({ variable }) => [variable, '']))
  t.strictSame(read({ ...empty, VALETKEY_KEYRING_FILE: '' }), read({}))
})

t.test('reads every setting', async (t) => {
  const config = read({
    VALETKEY_HOST: '::1',
    VALETKEY_PORT: '0',
    VALETKEY_METRICS_PORT: '0',
    VALETKEY_REDIS_URL: 'rediss+sentinel://:pw@a:26379,b:26379/main/1',
    VALETKEY_REDIS_PREFIX: 'prod:',
    VALETKEY_REDIS_CA_FILE: '/ca.pem',
    VALETKEY_REDIS_CERT_FILE: '/cert.pem',
    VALETKEY_REDIS_KEY_FILE: '/key.pem',
    VALETKEY_SIGNERS: '/signers.yaml',
    VALETKEY_REDIS_NAT_MAP: '10.0.0.1:26379=a:1, 10.0.0.2=b, [::1]:1=[::2]:3',
    VALETKEY_REDIS_SENTINEL_PASSWORD: 'sentinel',
    VALETKEY_REDIS_WAIT: '10',
    VALETKEY_DATA_DIR: '/data',
    VALETKEY_KEYRING: keyring,
    VALETKEY_ADMIN_KEY: `${adminKey}, ${adminKey}2`,
    VALETKEY_LOGIN_HOSTS: 'login.example.com,http://127.0.0.1:4000',
    VALETKEY_CONFIG: '/etc/valetkey.yaml',
    HTTPS_PROXY: 'http://user:pw@proxy:3128',
    NO_PROXY: 'localhost,.internal',
    VALETKEY_PUBLIC_URL: 'https://valetkey.example.com/',
    VALETKEY_EGRESS_ADDRESSES: '192.0.2.1, 192.0.2.16-192.0.2.19,2001:db8::1 - 2001:db8::f',
    VALETKEY_STORELESS_SECONDS: '86400',
    VALETKEY_WITNESS_FILE: '/var/lib/valetkey/witness',
    VALETKEY_RESTORED: 'trust',
    VALETKEY_UNPROVEN_RECORDS: 'refuse',
    VALETKEY_CONNECTIONS_PER_ADDRESS: '200',
    VALETKEY_AUDIT: 'strict',
    VALETKEY_AUDIT_FILE: '/audit.log',
    VALETKEY_WEBHOOK_URL: 'https://hooks.example.com/a/b?c=d',
    VALETKEY_WEBHOOK_SECRET: `whsec_${randomBytes(32).toString('base64')}`,
    VALETKEY_TRUST_PROXY: '10.0.0.0/8, 2001:db8::/32,192.0.2.1',
    VALETKEY_TLS_CERT_FILE: '/tls.crt',
    VALETKEY_TLS_KEY_FILE: '/tls.key',
    VALETKEY_TLS_CLIENT_CA_FILE: '/ca.crt',
    VALETKEY_DOCS: 'off',
    VALETKEY_CALLER_NETWORKS: 'plain',
    VALETKEY_STATUS_PAGE: 'off',
    VALETKEY_SOAP_LOGIN: 'off',
    VALETKEY_LOG_LEVEL: 'debug',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318/otlp',
    OTEL_EXPORTER_OTLP_HEADERS: 'x-api-key=a%20b, x-tenant = c=d',
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
    OTEL_SERVICE_NAME: 'tokens',
    OTEL_RESOURCE_ATTRIBUTES: 'k8s.namespace.name=tokens,deployment.environment.name=prod%2C1',
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
  })
  t.match(config, {
    host: '::1',
    port: 0,
    metricsPort: 0,
    redisPrefix: 'prod:',
    redisWaitReplicas: 10,
    loginHosts: ['login.example.com', 'http://127.0.0.1:4000'],
    noProxy: 'localhost,.internal',
    publicUrl: 'https://valetkey.example.com',
    egressAddresses: [
      { first: '192.0.2.1', last: '192.0.2.1' },
      { first: '192.0.2.16', last: '192.0.2.19' },
      { first: '2001:db8::1', last: '2001:db8::f' },
    ],
    degradedMs: 86_400_000,
    witnessFile: '/var/lib/valetkey/witness',
    restored: 'trust',
    unprovenRecords: 'refuse',
    connectionsPerAddress: 200,
    audit: 'strict',
    trustProxy: ['10.0.0.0/8', '2001:db8::/32', '192.0.2.1'],
    docs: false,
    logLevel: 'debug',
    otlpEndpoint: 'http://collector:4318/otlp',
    otlpTimeoutMs: 500,
    traceAttributes: { 'k8s.namespace.name': 'tokens', 'deployment.environment.name': 'prod,1' },
    traceRatio: 0.25,
  })
  t.strictSame(
    Object.entries(config.otlpHeaders).map(([name, value]) => [name, value.reveal()]),
    [
      ['x-api-key', 'a b'],
      ['x-tenant', 'c=d'],
    ],
  )
  t.strictSame(
    config.adminKeys.map((key) => key.reveal()),
    [adminKey, `${adminKey}2`],
  )
  t.equal(config.keyring?.reveal(), keyring)
  t.equal(config.httpsProxy?.reveal(), 'http://user:pw@proxy:3128')
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    t.notSame(config[name], read({})[name], `${name} was read`)
  }
})

t.test('is frozen, and prints no secret', async (t) => {
  const config = read({ ...redis, HTTPS_PROXY: 'http://user:canary-password@proxy:3128' })
  t.throws(() => Object.assign(config, { port: 1 }), TypeError)
  t.ok(Object.isFrozen(config.adminKeys) && Object.isFrozen(config.trustProxy))
  t.ok(config.redisUrl instanceof Secret)
  const printed = `${JSON.stringify(config)}${inspect(config, { depth: 9, showHidden: true })}`
  for (const secret of [adminKey, keyring, 'redis://127', 'canary']) t.notMatch(printed, secret)
})

t.test('reports each mistake with its variable', async (t) => {
  const short = randomBytes(16).toString('base64')
  const whole = `whsec_${randomBytes(32).toString('base64')}`
  const wrong: [variable: string, ...texts: string[]][] = [
    ['VALETKEY_HOST', 'a b', 'http://a', '[::1]', '-a', 'a/b'],
    ['VALETKEY_PORT', '65536', '-1', '80a', '1.5', '0x50', ' 80', '1e3', 'tcp://10.0.0.1:80'],
    ['OTEL_EXPORTER_OTLP_ENDPOINT', 'collector:4318', 'grpc://a', 'http://u@a', 'http://a/?b'],
    ['OTEL_EXPORTER_OTLP_HEADERS', 'a', 'a b=c', 'a=%zz', 'a=1,,b=2'],
    ['OTEL_EXPORTER_OTLP_TIMEOUT', '0', '60001', '1s'],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote', 'on'],
    ['OTEL_TRACES_SAMPLER_ARG', '2', '-1', '1e-1', 'half'],
    ['VALETKEY_METRICS_PORT', '65536', 'off', '8080'],
    ['VALETKEY_REDIS_URL', 'http://a', 'redis://a/b', 'redis://a,b', 'localhost:6379'],
    ['VALETKEY_REDIS_PREFIX', 'a{b}', 'a b', 'x'.repeat(65)],
    ['VALETKEY_REDIS_WAIT', '11', '-1', 'one'],
    ['VALETKEY_REDIS_NAT_MAP', 'a', 'a=', 'a=b=c', 'a:0=b', 'a=b,,c=d', 'a:b=c', '::1=a'],
    ['VALETKEY_DATA_DIR', 'a\0b'],
    ['VALETKEY_KEYRING', 'a', `a:${short}`, `${keyring},${keyring}`],
    ['VALETKEY_ADMIN_KEY', 'x'.repeat(31), `${adminKey} x`, `${adminKey}é`, `${adminKey},`],
    ['VALETKEY_ADMIN_KEY', `${adminKey},${adminKey},${adminKey}`],
    ['VALETKEY_LOGIN_HOSTS', 'https://a.example.com', 'http://10.0.0.1:80', 'a b', 'a,,b'],
    ['HTTPS_PROXY', 'proxy:3128', 'socks5://a', 'http://'],
    ['https_proxy', 'proxy'],
    [
      'VALETKEY_PUBLIC_URL',
      'http://a.example.com',
      'https://a/b',
      'https://u:p@a',
      'a',
      'https://a?',
    ],
    [
      'VALETKEY_EGRESS_ADDRESSES',
      '192.0.2.0/24',
      '192.0.2.9-192.0.2.1',
      '192.0.2.1-2001:db8::1',
      'fe80::1%eth0',
      '192.0.2.1,',
      Array(129).fill('192.0.2.1').join(),
    ],
    ['VALETKEY_STORELESS_SECONDS', '86401', '-1', '15m'],
    ['VALETKEY_AUDIT', 'on', 'Strict'],
    ['VALETKEY_WEBHOOK_URL', 'http://a.example.com', 'https://u:p@a', 'a'],
    [
      'VALETKEY_WEBHOOK_SECRET',
      'whsec_',
      'secret',
      `whsec_${short}`,
      `${whole},`,
      `${whole},${whole},${whole}`,
    ],
    ['VALETKEY_TRUST_PROXY', '10.0.0.0/33', 'a', '10.0.0/8', '::/129', '10.0.0.0/8/8', '10.0.0.1,'],
    ['VALETKEY_DOCS', 'true', 'yes', 'ON'],
    ['VALETKEY_SOAP_LOGIN', 'true', 'yes', 'OFF'],
    ['VALETKEY_CALLER_NETWORKS', 'hash', 'Plain', 'off'],
    ['VALETKEY_LOG_LEVEL', 'verbose', 'INFO'],
  ]
  const cluster = { ...redis, VALETKEY_REDIS_URL: 'redis+cluster://a' }
  const others = {
    VALETKEY_WEBHOOK_SECRET: `whsec_${keyring.slice(3)}`,
    VALETKEY_WEBHOOK_URL: 'https://a',
  }
  for (const [variable, ...texts] of wrong) {
    const base = variable.includes('WEBHOOK') ? others : variable.includes('REDIS') ? cluster : {}
    for (const text of texts) {
      const found = mistakes({ ...base, [variable]: text })
      t.equal(found.length, 1, `${variable}=${JSON.stringify(text)}`)
      t.match(found[0], new RegExp(`^${variable.toUpperCase()}: `))
    }
  }
})

t.test('reports all mistakes at once, and repeats no value', async (t) => {
  const secret = 'canaryCANARY'
  const found = mistakes({
    VALETKEY_PORT: `${secret}1`,
    VALETKEY_KEYRING: `${secret}2`,
    VALETKEY_ADMIN_KEY: `${secret}3`,
    VALETKEY_REDIS_URL: `redis://:${secret}@${secret}/x`,
    VALETKEY_WEBHOOK_SECRET: secret,
    VALETKEY_LOG_LEVEL: secret,
    VALETKEY_TLS_KEY_FILE: secret,
    VALETKEY_REDIS_SENTINEL_PASSWORD_FILE: secret,
    HTTPS_PROXY: `//user:${secret}@proxy`,
    VALETKEY_UNKNOWN: secret,
  })
  for (const variable of ['PORT', 'KEYRING', 'ADMIN_KEY', 'REDIS_URL', 'WEBHOOK_SECRET']) {
    t.ok(
      found.some((mistake) => mistake.startsWith(`VALETKEY_${variable}: `)),
      variable,
    )
  }
  t.ok(found.length >= 10)
  t.notMatch(found.join(), /canary/i)
})

t.test('repeats no part of a secret setting, whatever it is', async (t) => {
  const variables = ['KEYRING', 'ADMIN_KEY', 'REDIS_URL', 'WEBHOOK_SECRET'].map(
    (v) => `VALETKEY_${v}`,
  )
  await fc.assert(
    fc.property(
      fc.constantFrom(...variables),
      fc.constantFrom('', 'redis://', 'redis://:', 'rediss+sentinel://', 'whsec_', 'a:', ':'),
      fc.string({ maxLength: 30 }),
      (variable, before, after) =>
        !mistakes({ [variable]: `${before}canary${after}` })
          .join()
          .includes('canary'),
    ),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('takes a secret from a file, without the line break at its end', async (t) => {
  const content: Record<string, string> = {
    '/keyring': `${keyring}\n`,
    '/admin': `${adminKey}\r\n`,
    '/url': redis.VALETKEY_REDIS_URL,
    '/empty': '\n',
  }
  const files: ConfigFiles = { readFile: (path) => content[path] ?? noFiles.readFile(path) }
  const config = read(
    {
      VALETKEY_KEYRING_FILE: '/keyring',
      VALETKEY_ADMIN_KEY_FILE: '/admin',
      VALETKEY_REDIS_URL_FILE: '/url',
    },
    files,
  )
  t.equal(config.keyring?.reveal(), keyring)
  t.equal(config.adminKeys[0]?.reveal(), adminKey)
  t.equal(config.redisUrl?.reveal(), redis.VALETKEY_REDIS_URL)
  t.strictSame(config.files, { keyring: '/keyring', adminKeys: '/admin', redisUrl: '/url' })

  const both = { VALETKEY_KEYRING_FILE: '/keyring', VALETKEY_KEYRING: keyring }
  t.match(mistake(both, files), 'VALETKEY_KEYRING: is set, and so is VALETKEY_KEYRING_FILE')
  t.match(mistake({ VALETKEY_KEYRING_FILE: '/canary' }), /^VALETKEY_KEYRING_FILE: .*\(ENOENT\)$/)
  t.match(mistake({ VALETKEY_KEYRING_FILE: '/empty' }, files), /the file is empty$/)
  t.match(mistake({ VALETKEY_KEYRING_FILE: '/admin' }, files), /^VALETKEY_KEYRING_FILE: entry 1/)
})

t.test('has a file twin for each secret of the contract, and for no other', async (t) => {
  const twins = Object.values(SETTINGS).flatMap(({ variable, secret }) => (secret ? variable : []))
  t.strictSame(twins.toSorted(), [
    'VALETKEY_ADMIN_KEY',
    'VALETKEY_KEYRING',
    'VALETKEY_REDIS_SENTINEL_PASSWORD',
    'VALETKEY_REDIS_URL',
    'VALETKEY_WEBHOOK_SECRET',
  ])
})

t.test('refuses a variable that is no setting, and says what was meant', async (t) => {
  const cases: [variable: string, meant: string | undefined][] = [
    ['VALETKEY_PROT', 'VALETKEY_PORT'],
    ['VALETKEY_REDIS', 'VALETKEY_REDIS_URL'],
    ['VALETKEY_LOGIN_HOST', 'VALETKEY_LOGIN_HOSTS'],
    ['VALETKEY_KEYRING_FIEL', 'VALETKEY_KEYRING_FILE'],
    ['VALETKEY_SOMETHING_ELSE', undefined],
  ]
  for (const [variable, meant] of cases) {
    const [found] = mistakes({ [variable]: 'canary' })
    const hint = meant === undefined ? '' : `; did you mean ${meant}?`
    t.equal(found, `${variable}: is not a setting${hint}`)
  }
  t.strictSame(mistakes({ VALETKEY_TEST_NO_INSTALL: '1', valetkey: 'x', OTHER: 'x' }), [])
})

t.test('does not mind what Kubernetes puts in beside a Service of this name', async (t) => {
  const links = {
    VALETKEY_SERVICE_HOST: '10.0.0.1',
    VALETKEY_SERVICE_PORT: '8080',
    VALETKEY_SERVICE_PORT_HTTP: '8080',
    VALETKEY_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
    VALETKEY_PORT_8080_TCP_ADDR: '10.0.0.1',
    VALETKEY_REDIS_SERVICE_HOST: '10.0.0.2',
    VALETKEY_REDIS_PORT: 'tcp://10.0.0.2:6379',
  }
  t.strictSame(mistakes(links), [])
  t.match(mistake({ VALETKEY_PORT: 'tcp://10.0.0.1:8080' }), /Kubernetes.*enableServiceLinks/)
})

t.test('requires a keyring and somebody who can make API keys with Redis', async (t) => {
  t.strictSame(mistakes(redis), [])
  t.match(mistake({ ...redis, VALETKEY_KEYRING: '' }), /^VALETKEY_KEYRING: is required/)
  const noAdmin = { ...redis, VALETKEY_ADMIN_KEY: '', VALETKEY_CONFIG: '/c.yaml' }
  t.match(mistake(noAdmin), /^VALETKEY_ADMIN_KEY: is required/)
  const makes: ConfigFiles = { ...noFiles, makesApiKeys: (path) => path === '/c.yaml' }
  t.strictSame(mistakes(noAdmin, makes), [])
  t.match(
    mistakes({ ...redis, VALETKEY_KEYRING: 'x' }),
    [/^VALETKEY_KEYRING: entry 1/],
    'said once',
  )
})

t.test('refuses settings that do not go together', async (t) => {
  const cases: [env: Environment, why: RegExp][] = [
    [{ VALETKEY_TLS_CERT_FILE: 'a' }, /^VALETKEY_TLS_CERT_FILE: needs VALETKEY_TLS_KEY_FILE/],
    [{ VALETKEY_TLS_KEY_FILE: 'a' }, /^VALETKEY_TLS_KEY_FILE: needs/],
    [{ VALETKEY_TLS_CLIENT_CA_FILE: 'a' }, /^VALETKEY_TLS_CLIENT_CA_FILE: needs/],
    [{ VALETKEY_WEBHOOK_URL: 'https://a' }, /^VALETKEY_WEBHOOK_URL: needs/],
    [{ VALETKEY_WEBHOOK_SECRET: keyring.slice(3) }, /^VALETKEY_WEBHOOK_SECRET: needs/],
    [{ VALETKEY_PORT: '9464' }, /^VALETKEY_METRICS_PORT: is also the port of the API/],
    [{ VALETKEY_REDIS_CA_FILE: 'a' }, /^VALETKEY_REDIS_CA_FILE: needs VALETKEY_REDIS_URL/],
    [{ ...redis, VALETKEY_REDIS_CA_FILE: 'a' }, /^VALETKEY_REDIS_CA_FILE: needs a rediss/],
    [{ ...redis, VALETKEY_REDIS_NAT_MAP: 'a=b' }, /^VALETKEY_REDIS_NAT_MAP: needs a Sentinel/],
    [tls({ VALETKEY_REDIS_CERT_FILE: 'a' }), /^VALETKEY_REDIS_CERT_FILE: needs VALETKEY_REDIS_KEY/],
    [tls({ VALETKEY_REDIS_KEY_FILE: 'a' }), /^VALETKEY_REDIS_KEY_FILE: needs VALETKEY_REDIS_CERT/],
    [
      { ...redis, VALETKEY_REDIS_SENTINEL_PASSWORD: 'a' },
      /^VALETKEY_REDIS_SENTINEL_PASSWORD: needs/,
    ],
  ]
  for (const [env, why] of cases) t.match(mistake(env), why)
})

t.test('allows plain http on loopback alone', async (t) => {
  for (const origin of ['http://127.0.0.1:8080', 'http://localhost:8080', 'http://[::1]:8080']) {
    t.equal(read({ VALETKEY_PUBLIC_URL: origin }).publicUrl, origin)
  }
  t.equal(mistakes({ VALETKEY_PUBLIC_URL: 'http://127.0.0.1.example.com' }).length, 1)
  t.equal(mistakes({ VALETKEY_PUBLIC_URL: 'http://localhost@example.com' }).length, 1)
})
