/** All settings, each with its variable, default, meaning and parser. `docs/configuration.md` is generated from this table. */

import type { Secret } from '../crypto/secret.ts'
import { RESTORED_MODES } from '../custody/vouching.ts'
import { UNPROVEN_MODES } from '../store/integrity/mac-requirement.ts'
import { SAMPLERS } from '../tracing/sampler-name.ts'
import type { Reader } from './reader.ts'
import * as read from './reader.ts'

export interface Setting<Value> {
  readonly variable: string
  /** Text that is parsed if the variable is unset. */
  readonly fallback?: string
  /** The value without a variable and a fallback. */
  readonly unset: Value
  /** A secret also has a `_FILE` variable that names a file. */
  readonly secret: boolean
  /** Another variable name, used if the first one is unset. */
  readonly alias?: string
  /** Text for the column of defaults if there is no fallback. */
  readonly otherwise: string
  readonly meaning: string
  readonly read: Reader<Value>
}

interface Description {
  readonly secret?: boolean
  readonly alias?: string
  readonly otherwise?: string
  readonly meaning: string
}

function withDefault<Value>(
  variable: string,
  fallback: string,
  reader: Reader<Value>,
  description: Description,
): Setting<Value> {
  const parsed = reader(fallback)
  if (!('value' in parsed)) throw new TypeError(`The default of ${variable} is not valid`)
  return { ...withUnset(variable, parsed.value, reader, description), fallback }
}

function withUnset<Value>(
  variable: string,
  unset: Value,
  reader: Reader<Value>,
  description: Description,
): Setting<Value> {
  return { secret: false, otherwise: 'none', ...description, variable, unset, read: reader }
}

function optional<Value>(variable: string, reader: Reader<Value>, description: Description) {
  return withUnset<Value | undefined>(variable, undefined, reader, description)
}

type Pairs = Readonly<Record<string, string>>
type Headers = Readonly<Record<string, Secret>>

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const

export const SETTINGS = {
  host: withDefault('VALETKEY_HOST', '127.0.0.1', read.listenHost, {
    meaning: 'The address on which the API listens.',
  }),
  port: withDefault('VALETKEY_PORT', '8080', read.port, {
    meaning: 'The port on which the API listens; `0` selects a free port.',
  }),
  metricsPort: withDefault('VALETKEY_METRICS_PORT', '9464', read.port, {
    meaning: 'The port on which `/metrics` listens, on the same host; `0` turns it off.',
  }),
  redisUrl: optional('VALETKEY_REDIS_URL', read.redisUrl, {
    secret: true,
    otherwise: 'none: the embedded store',
    meaning:
      '`redis://HOST:PORT/DB`, `redis+sentinel://h1:26379,h2:26379/MASTER/DB`, `redis+cluster://h1:6379,h2:6379`, and `rediss…` of each for TLS; `valkey…` and `valkeys…` are the same. `redis+unix:///PATH?db=DB` for a socket. If it comes from a file, the file is read again at each connection.',
  }),
  redisPrefix: withDefault('VALETKEY_REDIS_PREFIX', 'vk:', read.redisPrefix, {
    meaning: 'The prefix of every key and channel in Redis.',
  }),
  redisCaFile: optional('VALETKEY_REDIS_CA_FILE', read.path, {
    meaning: 'PEM file with the CA of `rediss://`; read again at each connection.',
  }),
  redisCertFile: optional('VALETKEY_REDIS_CERT_FILE', read.path, {
    meaning:
      'PEM file with the client certificate of this service for Redis; read again at each connection.',
  }),
  redisKeyFile: optional('VALETKEY_REDIS_KEY_FILE', read.path, {
    meaning: 'PEM file with its key.',
  }),
  redisNatMap: optional('VALETKEY_REDIS_NAT_MAP', read.natMap, {
    meaning:
      'Translates the addresses that a Cluster or Sentinels announce into addresses that this service can reach: `from=to,…`, each `HOST:PORT`, or `HOST` for all its ports.',
  }),
  redisSentinelPassword: optional('VALETKEY_REDIS_SENTINEL_PASSWORD', read.anySecret, {
    secret: true,
    meaning: 'The password of the Sentinels. The password of Redis is in its URL.',
  }),
  redisWaitReplicas: withDefault('VALETKEY_REDIS_WAIT', '0', read.wholeNumber(0, 10), {
    meaning:
      'How many Redis replicas must confirm (`WAIT`) a change to integrations, credentials and keys before it is acknowledged. `refresh_token` integrations with Sentinel or Cluster need 1 or more.',
  }),
  dataDir: withDefault('VALETKEY_DATA_DIR', './data', read.path, {
    meaning: "The embedded store's folder; created with mode 0700.",
  }),
  keyring: optional('VALETKEY_KEYRING', read.keyring, {
    secret: true,
    otherwise: 'none; without Redis: `DATA_DIR/keyring`, created with mode 0600',
    meaning:
      'Sealing keys, `id:base64` of 32 bytes each; the first key seals, and all keys open. An entry `vault-transit:NAME` or `aws-kms:NAME` is [a key outside](keyring.md#keep-the-keys-in-vault-or-aws-kms). Required with Redis. `valetkey keygen` creates a key.',
  }),
  witnessFile: optional('VALETKEY_WITNESS_FILE', read.path, {
    otherwise: 'none with Redis; without: `DATA_DIR/witness`, and `DATA_DIR.witness` beside it',
    meaning:
      'A file of this replica only, on a disk that is not restored with the store. It counts the presentations of refresh tokens that the store held ([docs/refresh-tokens.md](refresh-tokens.md#a-store-that-was-put-back)).',
  }),
  restored: withDefault('VALETKEY_RESTORED', 'ask', read.oneOf(...RESTORED_MODES), {
    meaning:
      'What to do with refresh tokens if it is unknown whether the store was put back while no replica ran. `ask`: Valetkey asks Salesforce about each, or an operator. `trust`: Valetkey uses them; set it if you never put a store back.',
  }),
  unprovenRecords: withDefault(
    'VALETKEY_UNPROVEN_RECORDS',
    'migrate',
    read.oneOf(...UNPROVEN_MODES),
    {
      meaning:
        'What to do with records without the code that authenticates them ([docs/keyring.md](keyring.md)). Older releases wrote records without a code. `migrate`: Valetkey uses them until all records have a code, and never after that. `refuse`: Valetkey uses none of them, from the start. `accept`: Valetkey uses them and gives them a code, also after that.',
    },
  ),
  adminKeys: withUnset('VALETKEY_ADMIN_KEY', [], read.adminKeys, {
    secret: true,
    otherwise: 'none; without Redis: `DATA_DIR/admin.key`, created with mode 0600',
    meaning:
      'One or two API keys with every permission, each of 32 characters or more. Required with Redis unless a caller of the configuration file has `api-keys:write`.',
  }),
  loginHosts: withUnset('VALETKEY_LOGIN_HOSTS', [], read.loginHosts, {
    meaning:
      'More hosts that a `login_url` may name, in addition to `login.salesforce.com`, `test.salesforce.com`, `*.my.salesforce.com`, `*.my.site.com`, `*.my.salesforce.mil` and `*.my.sfcrmproducts.cn` (`*` is one or more labels), such as custom domains. An entry `http://127.0.0.1:PORT` (loopback only) also allows plain HTTP there.',
  }),
  signersFile: optional('VALETKEY_SIGNERS', read.path, {
    meaning:
      'The file of [signers](key-custody.md): services such as Vault that sign with keys that the broker does not have, that wrap the keys of its keyring, or that have its secrets. Read at the start.',
  }),
  configFile: optional('VALETKEY_CONFIG', read.path, {
    meaning: 'A YAML file with `issuers`, `callers` and `integrations`.',
  }),
  httpsProxy: optional('HTTPS_PROXY', read.proxyUrl, {
    alias: 'https_proxy',
    meaning: 'The proxy for calls to Salesforce and to issuers; `https_proxy` works too.',
  }),
  noProxy: optional('NO_PROXY', read.anyText, {
    alias: 'no_proxy',
    meaning: 'Hosts that are called without the proxy; `no_proxy` works too.',
  }),
  publicUrl: optional('VALETKEY_PUBLIC_URL', read.publicOrigin, {
    meaning: 'The origin at which browsers reach the service, for OAuth callbacks.',
  }),
  egressAddresses: withUnset('VALETKEY_EGRESS_ADDRESSES', [], read.addressRanges, {
    meaning:
      'The public addresses from which this service (or its proxy) calls Salesforce, `ADDRESS` or `FIRST-LAST`, as `192.0.2.1,192.0.2.16-192.0.2.19`: setup sheets and files name them where an app accepts refresh tokens only from listed addresses. The service does not bind to them.',
  }),
  degradedMs: withDefault('VALETKEY_STORELESS_SECONDS', '900', read.secondsAsMs(0, 86_400), {
    meaning:
      'How long degraded mode may last: for how many seconds a replica serves leases from memory without contact to the store (never past their expiry); `0`: not at all, and no sealed secret stays in memory.',
  }),
  audit: withDefault('VALETKEY_AUDIT', 'batched', read.oneOf('batched', 'strict'), {
    meaning:
      '`batched`: audit lines of token reads are written at most 100 ms after the answer; `strict`: they are written before it.',
  }),
  auditFile: optional('VALETKEY_AUDIT_FILE', read.path, {
    otherwise: 'none: stdout',
    meaning: 'Where audit lines are written.',
  }),
  webhookUrl: optional('VALETKEY_WEBHOOK_URL', read.webhookUrl, {
    meaning:
      'Where events for people are sent (`docs/webhooks.md`): https, or plain http on loopback.',
  }),
  webhookSecrets: withUnset('VALETKEY_WEBHOOK_SECRET', [], read.webhookSecrets, {
    secret: true,
    meaning:
      'The key that signs events, as in Standard Webhooks: `whsec_` and 24 to 64 bytes in base64; two, separated by a comma, while the receiver changes.',
  }),
  trustProxy: withUnset('VALETKEY_TRUST_PROXY', [], read.cidrs, {
    meaning: 'CIDRs of proxies whose `X-Forwarded-For` is trusted.',
  }),
  connectionsPerAddress: withDefault(
    'VALETKEY_CONNECTIONS_PER_ADDRESS',
    '0',
    read.wholeNumber(0, 1_000_000),
    {
      meaning:
        'How many connections one address (a /64 of IPv6) may keep open to the API. Further connections are closed at once. `0`: no limit. Addresses of `VALETKEY_TRUST_PROXY` are not counted. Behind a proxy or a NAT, all clients have one address.',
    },
  ),
  tlsCertFile: optional('VALETKEY_TLS_CERT_FILE', read.path, {
    meaning: 'PEM file with the certificate of the API; read again when it changes.',
  }),
  tlsKeyFile: optional('VALETKEY_TLS_KEY_FILE', read.path, {
    meaning: 'PEM file with its key.',
  }),
  tlsClientCaFile: optional('VALETKEY_TLS_CLIENT_CA_FILE', read.path, {
    meaning: 'PEM file with the CA of client certificates (mTLS).',
  }),
  callerNetworks: withDefault('VALETKEY_CALLER_NETWORKS', 'hashed', read.oneOf('hashed', 'plain'), {
    meaning:
      'How the networks of callers are kept ([docs/unusual.md](unusual.md)): `hashed` under a key of the keyring, or `plain`, so that events name them.',
  }),
  docs: withDefault('VALETKEY_DOCS', 'on', read.onOff, {
    meaning: '`on` or `off`: `/docs` and the OpenAPI document.',
  }),
  statusPage: withDefault('VALETKEY_STATUS_PAGE', 'on', read.onOff, {
    meaning:
      '`on` or `off`: the [status page](operating.md#the-status-page) at `/status`, where people sign in with an API key.',
  }),
  soapLogin: withDefault('VALETKEY_SOAP_LOGIN', 'on', read.onOff, {
    meaning:
      '`on` or `off`: [SOAP login](soap-login.md) at `…/services/Soap/u/{version}` and `…/c/{version}`.',
  }),
  logLevel: withDefault('VALETKEY_LOG_LEVEL', 'info', read.oneOf(...LOG_LEVELS), {
    meaning: `One of ${LOG_LEVELS.map((level) => `\`${level}\``).join(', ')}.`,
  }),
  otlpEndpoint: optional('OTEL_EXPORTER_OTLP_ENDPOINT', read.httpUrl, {
    otherwise: 'none: no traces',
    meaning:
      'Where [traces](traces.md) are sent, with OTLP over HTTP in JSON: `http://HOST:4318`, without `/v1/traces`.',
  }),
  otlpHeaders: withUnset<Headers>('OTEL_EXPORTER_OTLP_HEADERS', {}, read.secretPairs, {
    meaning: 'Headers of these requests: `name=value,name=value`, percent-encoded.',
  }),
  otlpTimeoutMs: withDefault('OTEL_EXPORTER_OTLP_TIMEOUT', '10000', read.wholeNumber(1, 60_000), {
    meaning: 'The longest time for one batch with its retries, in milliseconds.',
  }),
  serviceName: withDefault('OTEL_SERVICE_NAME', 'valetkey', read.anyText, {
    meaning: 'The name of this service in traces.',
  }),
  traceAttributes: withUnset<Pairs>('OTEL_RESOURCE_ATTRIBUTES', {}, read.pairs, {
    meaning: 'More attributes of this process in traces: `name=value,name=value`, percent-encoded.',
  }),
  traceSampler: withDefault(
    'OTEL_TRACES_SAMPLER',
    'parentbased_always_on',
    read.oneOf(...SAMPLERS),
    {
      meaning: `Which traces are kept: ${SAMPLERS.map((name) => `\`${name}\``).join(', ')}.`,
    },
  ),
  traceRatio: withDefault('OTEL_TRACES_SAMPLER_ARG', '1', read.ratio, {
    meaning: 'The share that a `traceidratio` sampler keeps: 0 to 1.',
  }),
} as const satisfies Record<string, Setting<unknown>>

type ValueOf<Kind> = Kind extends Setting<infer Value> ? Value : never

export type SettingName = keyof typeof SETTINGS

/** The values of all settings. Without a value, lists are empty and others are `undefined`. */
export type Settings = {
  readonly [Name in SettingName]: ValueOf<(typeof SETTINGS)[Name]>
}
