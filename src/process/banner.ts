/** The first output on a terminal: the URL of the service and the place of the admin key. */

interface BannerFacts {
  readonly version: string
  /** For example `http://127.0.0.1:8080`. */
  readonly url: string
  readonly docs: boolean
  readonly statusPage: boolean
  /** Engine and location, without passwords. */
  readonly store: string
  /** The file of the admin key; undefined if a setting provides the key. */
  readonly adminKeyPath: string | undefined
}

export function banner({
  version,
  url,
  docs,
  statusPage,
  store,
  adminKeyPath,
}: BannerFacts): string {
  const rows = [
    ['API', url],
    ...(docs ? [['Documentation', `${url}/docs`]] : []),
    ...(statusPage ? [['Status page', `${url}/status`]] : []),
    ['Store', store],
    ['Admin key', adminKeyPath === undefined ? 'from VALETKEY_ADMIN_KEY' : `in ${adminKeyPath}`],
  ]
  return [
    `Valetkey ${version}`,
    ...rows.map(([name = '', text = '']) => `  ${name.padEnd(14)} ${text}`),
    '',
  ].join('\n')
}
