/** What a person at a terminal reads first: where the service is, and where its admin key lies. */

export interface BannerFacts {
  readonly version: string
  /** As in `http://127.0.0.1:8080`. */
  readonly url: string
  readonly docs: boolean
  /** Which engine, and where. Never a password. */
  readonly store: string
  /** The file of the admin key; undefined where a setting gives the key. */
  readonly adminKeyPath: string | undefined
}

export function banner({ version, url, docs, store, adminKeyPath }: BannerFacts): string {
  const rows = [
    ['API', url],
    ...(docs ? [['Documentation', `${url}/docs`]] : []),
    ['Store', store],
    ['Admin key', adminKeyPath === undefined ? 'from VALETKEY_ADMIN_KEY' : `in ${adminKeyPath}`],
  ]
  return [
    `Valetkey ${version}`,
    ...rows.map(([name = '', text = '']) => `  ${name.padEnd(14)} ${text}`),
    '',
  ].join('\n')
}
