/** Causes of failures of Redis, each with an explanation and a remedy. */

interface Cause {
  /** Follows the name of the server. */
  readonly says: string
  readonly remedy: string
}

/** Each has a section in `docs/redis.md`: {@link anchorOf}. */
export const CAUSES = {
  host_unknown: {
    says: 'its name does not resolve',
    remedy: 'Correct the host in VALETKEY_REDIS_URL, or repair DNS.',
  },
  refused: {
    says: 'it refuses the connection: nothing listens there',
    remedy: 'Start Redis, or correct the host and the port.',
  },
  unreachable: {
    says: 'there is no route to it',
    remedy: 'Check routes, firewalls and network policies.',
  },
  no_answer: {
    says: 'it does not answer in time',
    remedy: 'Check whether Redis hangs, and check firewalls and network policies.',
  },
  closed: {
    says: 'it closes the connection without an answer',
    remedy: 'Check the log of Redis, and any proxy in front of it.',
  },
  socket_missing: {
    says: 'the socket does not exist',
    remedy: 'Start Redis with this `unixsocket`, or correct the path.',
  },
  socket_forbidden: {
    says: 'this process may not open the socket',
    remedy: 'Give its user the permission: see `unixsocketperm` of Redis.',
  },
  tls_expected: {
    says: 'it uses TLS, but the URL says that it does not',
    remedy: 'Use rediss in place of redis in the URL, or the port without TLS.',
  },
  tls_unexpected: {
    says: 'it does not use TLS, but the URL says that it does',
    remedy: 'Use redis in place of rediss in the URL, or the port with TLS.',
  },
  tls_failed: {
    says: 'the TLS handshake fails',
    remedy: 'Compare protocols and ciphers of both sides; check the log of Redis.',
  },
  certificate_untrusted: {
    says: 'its certificate is not from a trusted CA',
    remedy: 'Set VALETKEY_REDIS_CA_FILE to the CA.',
  },
  certificate_name: {
    says: 'its certificate is for another name',
    remedy: 'Use a name of the certificate in the URL, or add ?sni=NAME.',
  },
  certificate_expired: {
    says: 'its certificate is not valid now',
    remedy: 'Renew the certificate of Redis, or set the clock of this host.',
  },
  client_certificate_missing: {
    says: 'it requires a client certificate, but none is set',
    remedy: 'Set VALETKEY_REDIS_CERT_FILE and VALETKEY_REDIS_KEY_FILE.',
  },
  client_certificate_refused: {
    says: 'it refuses the client certificate',
    remedy: 'Use a valid certificate that the CA of Redis (`tls-ca-cert-file`) signed.',
  },
  password_wrong: {
    says: 'it refuses the user name or the password',
    remedy: 'Correct them in VALETKEY_REDIS_URL; percent-encode special characters.',
  },
  password_missing: {
    says: 'it requires a password, but none is set',
    remedy: 'Add user name and password before the host in VALETKEY_REDIS_URL.',
  },
  password_not_needed: {
    says: 'it has no password and accepts every client',
    remedy: 'Set a password in Redis, or remove it from VALETKEY_REDIS_URL.',
  },
  protected_mode: {
    says: 'it is in protected mode and serves only its own host',
    remedy: 'Set a password in Redis, or an address to `bind` to.',
  },
  sentinel_password: {
    says: 'this Sentinel refuses the password, or requires one',
    remedy: 'Correct VALETKEY_REDIS_SENTINEL_PASSWORD.',
  },
  master_unknown: {
    says: 'this Sentinel knows no master with this name',
    remedy: 'Correct MASTER in redis+sentinel://…/MASTER: it is the name in `sentinel monitor`.',
  },
  not_a_sentinel: {
    says: 'this is not a Sentinel',
    remedy: 'Name the Sentinels in redis+sentinel://, or use redis:// for Redis itself.',
  },
  is_a_sentinel: {
    says: 'this is a Sentinel, which stores no data',
    remedy: 'Use redis+sentinel://HOST:PORT/MASTER.',
  },
  not_a_cluster: {
    says: 'this is not a node of a Cluster',
    remedy: 'Use redis:// in place of redis+cluster://.',
  },
  is_a_cluster: {
    says: 'this is a node of a Cluster, but another node has the keys',
    remedy: 'Use redis+cluster:// in place of redis://.',
  },
  cluster_down: {
    says: 'the Cluster is down, or no node has the slot of the keys',
    remedy: 'See CLUSTER INFO and CLUSTER SHARDS: start the missing node, or fail over.',
  },
  read_replica: {
    says: 'it is a read replica, or became one, and accepts no changes',
    remedy:
      'Use the address of the primary; after a promotion, wait until the address leads to it.',
  },
  loading: {
    says: 'it is loading its data',
    remedy: 'Wait until it has finished.',
  },
  primary_away: {
    says: 'it is a replica that lost its primary',
    remedy: 'Use the address of the primary; see `master_link_status` of INFO replication.',
  },
  database: {
    says: 'the database of the URL cannot be selected',
    remedy:
      'Correct the number, raise `databases` of Redis (`cluster-databases` of a Valkey 9 Cluster), or give the user +select.',
  },
  memory_full: {
    says: 'its memory is full, so it accepts no changes',
    remedy: 'Raise `maxmemory`, or free memory; do not enable eviction.',
  },
  disk_failed: {
    says: 'it cannot save to its disk, so it accepts no changes',
    remedy: 'Free the disk of Redis; see `rdb_last_bgsave_status` and `aof_last_write_status`.',
  },
  replicas_missing: {
    says: 'it has too few current replicas, so it accepts no changes',
    remedy: 'Repair the replicas; see `min-replicas-to-write` of Redis.',
  },
  script_busy: {
    says: 'a script blocks it',
    remedy: 'Find its owner with SLOWLOG; end it with SCRIPT KILL.',
  },
  clients_full: {
    says: 'it has reached its limit of clients',
    remedy: 'Raise `maxclients` of Redis, or close unused clients (CLIENT LIST).',
  },
  command_forbidden: {
    says: 'the user may not run a required command',
    remedy: 'Give the user the permissions in docs/redis.md.',
  },
  command_missing: {
    says: 'it lacks a required command, or the command was renamed',
    remedy: 'Remove its `rename-command`, or use a server with the command.',
  },
  settings_unreadable: {
    says: 'files in its settings cannot be read or are invalid, so the former ones remain in use',
    remedy: 'Correct the files that the settings of Redis name; they are read at each connection.',
  },
  settings_other_kind: {
    says: 'the file with its URL names another kind of Redis than at the start, so the former URL remains in use',
    remedy: 'Restart Valetkey, or write a URL of the same kind into the file.',
  },
  strange_answer: {
    says: 'it sends unexpected answers',
    remedy: 'Check whether this is Redis, and check its log.',
  },
} as const satisfies Record<string, Cause>

export type RedisCause = keyof typeof CAUSES

export const CAUSE_NAMES = Object.keys(CAUSES) as readonly RedisCause[]

/** Kind of server. `node`: announced by the Cluster or named by Sentinels. */
export type ServerKind = 'server' | 'seed' | 'node' | 'sentinel'

/** The heading in `docs/redis.md`. */
export const anchorOf = (cause: RedisCause): string => `docs/redis.md#${cause}`

const BY_CODE: Readonly<Record<string, RedisCause>> = {
  ENOTFOUND: 'host_unknown',
  EAI_AGAIN: 'host_unknown',
  EAI_FAIL: 'host_unknown',
  EAI_NODATA: 'host_unknown',
  EAI_NONAME: 'host_unknown',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  EADDRNOTAVAIL: 'unreachable',
  ETIMEDOUT: 'no_answer',
  TIMEOUT: 'no_answer',
  ECONNRESET: 'closed',
  EPIPE: 'closed',
  CLOSED: 'closed',
  OFFLINE: 'closed',
  ENOENT: 'socket_missing',
  ENOTDIR: 'socket_missing',
  EACCES: 'socket_forbidden',
  EPERM: 'socket_forbidden',
  EPROTO: 'tls_failed',
  SELF_SIGNED_CERT_IN_CHAIN: 'certificate_untrusted',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'certificate_untrusted',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'certificate_untrusted',
  UNABLE_TO_GET_ISSUER_CERT: 'certificate_untrusted',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'certificate_untrusted',
  CERT_SIGNATURE_FAILURE: 'certificate_untrusted',
  CERT_UNTRUSTED: 'certificate_untrusted',
  INVALID_CA: 'certificate_untrusted',
  INVALID_PURPOSE: 'certificate_untrusted',
  ERR_TLS_CERT_ALTNAME_INVALID: 'certificate_name',
  HOSTNAME_MISMATCH: 'certificate_name',
  CERT_HAS_EXPIRED: 'certificate_expired',
  CERT_NOT_YET_VALID: 'certificate_expired',
  ERR_SSL_WRONG_VERSION_NUMBER: 'tls_unexpected',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'tls_unexpected',
  ERR_SSL_UNKNOWN_PROTOCOL: 'tls_unexpected',
  ERR_SSL_HTTP_REQUEST: 'tls_unexpected',
  WRONGPASS: 'password_wrong',
  NOAUTH: 'password_missing',
  DENIED: 'protected_mode',
  NOPERM: 'command_forbidden',
  READONLY: 'read_replica',
  LOADING: 'loading',
  MASTERDOWN: 'primary_away',
  CLUSTERDOWN: 'cluster_down',
  MOVED: 'is_a_cluster',
  OOM: 'memory_full',
  MISCONF: 'disk_failed',
  NOREPLICAS: 'replicas_missing',
  BUSY: 'script_busy',
  // Our own code, because Redis has none.
  SENTINEL: 'is_a_sentinel',
  DATABASE: 'database',
  MASTER: 'master_unknown',
}

/** Texts with the generic code `ERR`. */
const BY_TEXT: readonly (readonly [RegExp, RedisCause])[] = [
  [/max number of clients/i, 'clients_full'],
  [/no such master/i, 'master_unknown'],
  [/no password is set|without any password configured/i, 'password_not_needed'],
  [/unknown command|unknown redis command/i, 'command_missing'],
  [/cluster support disabled/i, 'not_a_cluster'],
  [/invalid password/i, 'password_wrong'],
  [/DB index|select is not allowed/i, 'database'],
]

const CLIENT_CERTIFICATE =
  /ALERT_(?:BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_(?:UNKNOWN|EXPIRED|REVOKED)|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)$/

/** If SELECT fails, the keys would be in another database. */
const NO_DATABASE: ReadonlySet<RedisCause> = new Set([
  'command_forbidden',
  'command_missing',
  'strange_answer',
])

/** Pure. `code` comes from Redis, Node or this service (see `errors.ts`). `text` is the message, which is not repeated. */
export function causeOf(error: {
  readonly code: string
  readonly text: string
  readonly kind: ServerKind
  readonly command?: string | undefined
}): RedisCause {
  const { code, text, kind, command } = error
  if (code.endsWith('ALERT_CERTIFICATE_REQUIRED')) return 'client_certificate_missing'
  if (CLIENT_CERTIFICATE.test(code)) return 'client_certificate_refused'
  const cause =
    BY_CODE[code] ??
    BY_TEXT.find(([pattern]) => pattern.test(text))?.[1] ??
    (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') ? 'tls_failed' : 'strange_answer')
  if (command === 'select' && NO_DATABASE.has(cause)) return 'database'
  if (kind !== 'sentinel') return cause
  if (cause === 'password_wrong' || cause === 'password_missing') return 'sentinel_password'
  return cause === 'command_missing' ? 'not_a_sentinel' : cause
}
