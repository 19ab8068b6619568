/** Why Redis cannot be used: every cause with what it is called, what is said of it, and what to do. */

export interface Cause {
  /** What is the matter with the place that is named before it. */
  readonly says: string
  readonly remedy: string
}

/** A section of `docs/redis.md` for each: {@link anchorOf}. */
export const CAUSES = {
  host_unknown: {
    says: 'its name does not resolve',
    remedy: 'Correct the host in VALETKEY_REDIS_URL, or mend DNS.',
  },
  refused: {
    says: 'it refuses the connection: nothing listens there',
    remedy: 'Start Redis, or correct the host and the port.',
  },
  unreachable: {
    says: 'there is no way to it',
    remedy: 'Look at routes, firewalls and network policies.',
  },
  no_answer: {
    says: 'it does not answer in time',
    remedy: 'Look whether Redis hangs, and at firewalls and network policies.',
  },
  closed: {
    says: 'it closes the connection without a word',
    remedy: 'Look at the log of Redis, and at any proxy before it.',
  },
  socket_missing: {
    says: 'there is no such socket',
    remedy: 'Start Redis with this `unixsocket`, or correct the path.',
  },
  socket_forbidden: {
    says: 'this process may not open the socket',
    remedy: 'Give its user the right: see `unixsocketperm` of Redis.',
  },
  tls_expected: {
    says: 'it speaks TLS, and the URL says that it does not',
    remedy: 'Use rediss in place of redis in the URL, or the port without TLS.',
  },
  tls_unexpected: {
    says: 'it speaks no TLS, and the URL says that it does',
    remedy: 'Use redis in place of rediss in the URL, or the port with TLS.',
  },
  tls_failed: {
    says: 'no TLS connection comes about',
    remedy: 'Compare protocols and ciphers of both sides; see the log of Redis.',
  },
  certificate_untrusted: {
    says: 'its certificate is not of a CA that is trusted here',
    remedy: 'Give the CA in VALETKEY_REDIS_CA_FILE.',
  },
  certificate_name: {
    says: 'its certificate is for another name',
    remedy: 'Use a name of the certificate in the URL, or give one with ?sni=NAME.',
  },
  certificate_expired: {
    says: 'its certificate is not valid now',
    remedy: 'Renew the certificate of Redis, or set the clock of this host.',
  },
  client_certificate_missing: {
    says: 'it asks for a client certificate, and none is given',
    remedy: 'Give VALETKEY_REDIS_CERT_FILE and VALETKEY_REDIS_KEY_FILE.',
  },
  client_certificate_refused: {
    says: 'it refuses the client certificate',
    remedy: 'Give one that the CA of Redis (`tls-ca-cert-file`) signed and that is valid now.',
  },
  password_wrong: {
    says: 'it refuses the user name or the password',
    remedy: 'Correct them in VALETKEY_REDIS_URL; percent-encode special characters.',
  },
  password_missing: {
    says: 'it wants a password, and none is given',
    remedy: 'Put user name and password before the host of VALETKEY_REDIS_URL.',
  },
  password_not_needed: {
    says: 'it wants no password, and takes anybody without one',
    remedy: 'Set a password in Redis, or take it out of VALETKEY_REDIS_URL.',
  },
  protected_mode: {
    says: 'it is in protected mode, and serves its own host alone',
    remedy: 'Set a password in Redis, or an address to `bind` to.',
  },
  sentinel_password: {
    says: 'this Sentinel refuses the password, or wants one',
    remedy: 'Correct VALETKEY_REDIS_SENTINEL_PASSWORD.',
  },
  master_unknown: {
    says: 'this Sentinel knows no master of this name',
    remedy: 'Correct MASTER in redis+sentinel://…/MASTER: it is the name in `sentinel monitor`.',
  },
  not_a_sentinel: {
    says: 'this is no Sentinel',
    remedy: 'Give the Sentinels in redis+sentinel://, or use redis:// for Redis itself.',
  },
  is_a_sentinel: {
    says: 'this is a Sentinel, which holds no data',
    remedy: 'Use redis+sentinel://HOST:PORT/MASTER.',
  },
  not_a_cluster: {
    says: 'this is no node of a Cluster',
    remedy: 'Use redis:// in place of redis+cluster://.',
  },
  is_a_cluster: {
    says: 'this is a node of a Cluster, and another one has the keys',
    remedy: 'Use redis+cluster:// in place of redis://.',
  },
  cluster_down: {
    says: 'the Cluster is down, or no node has the slot of the keys',
    remedy: 'See CLUSTER INFO and CLUSTER SHARDS: start the node that lacks, or fail over.',
  },
  read_replica: {
    says: 'it is a read replica, or became one, and takes no changes',
    remedy:
      'Give the address of the primary; after a promotion wait until the address leads there.',
  },
  loading: {
    says: 'it is loading its data',
    remedy: 'Wait: nothing else helps.',
  },
  primary_away: {
    says: 'it is a replica that lost its primary',
    remedy: 'Give the address of the primary; see `master_link_status` of INFO replication.',
  },
  database: {
    says: 'the database of the URL cannot be selected',
    remedy: 'Correct the number, raise `databases` of Redis, or give the user +select.',
  },
  memory_full: {
    says: 'its memory is full, and it takes no changes',
    remedy: 'Raise `maxmemory`, or free memory; do not let it evict.',
  },
  disk_failed: {
    says: 'it cannot save to its disk, and takes no changes',
    remedy: 'Free the disk of Redis; see `rdb_last_bgsave_status` and `aof_last_write_status`.',
  },
  replicas_missing: {
    says: 'it has too few replicas in step, and takes no changes',
    remedy: 'Mend the replicas; see `min-replicas-to-write` of Redis.',
  },
  script_busy: {
    says: 'a script keeps it busy',
    remedy: 'See SLOWLOG for whose; SCRIPT KILL ends it.',
  },
  clients_full: {
    says: 'it has as many clients as it may have',
    remedy: 'Raise `maxclients` of Redis, or end the clients that are left over (CLIENT LIST).',
  },
  command_forbidden: {
    says: 'this user may not run a command that is needed',
    remedy: 'Give it the rights that docs/redis.md lists.',
  },
  command_missing: {
    says: 'it has no such command, or calls it by another name',
    remedy: 'Take its `rename-command` away, or use a server that has the command.',
  },
  settings_unreadable: {
    says: 'the files of its settings cannot be read or used, and the former ones are used',
    remedy: 'Mend the files that the settings of Redis name; they are read at each connection.',
  },
  settings_other_kind: {
    says: 'the file with its URL names another kind of Redis than at the start, and the former URL is used',
    remedy: 'Start Valetkey anew, or put a URL of the same kind into the file.',
  },
  strange_answer: {
    says: 'it answers what is not expected',
    remedy: 'Look whether this is a Redis, and at its log.',
  },
} as const satisfies Record<string, Cause>

export type RedisCause = keyof typeof CAUSES

export const CAUSE_NAMES = Object.keys(CAUSES) as readonly RedisCause[]

/** Which of the servers it is. `node`: one that the Cluster announces, or that Sentinels name. */
export type ServerKind = 'server' | 'seed' | 'node' | 'sentinel'

/** Where it is explained: a heading of `docs/redis.md`. */
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
  // Of ours, for what Redis has no code for.
  SENTINEL: 'is_a_sentinel',
  DATABASE: 'database',
  MASTER: 'master_unknown',
}

/** What Redis says under the code `ERR`, which says nothing. */
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

/** Whatever keeps SELECT from being done, the keys would be in another database. */
const NO_DATABASE: ReadonlySet<RedisCause> = new Set([
  'command_forbidden',
  'command_missing',
  'strange_answer',
])

/** Pure. `code` is Redis's, Node's or ours (see `redis-errors.ts`); `text` what came with it, of which nothing is repeated. */
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
