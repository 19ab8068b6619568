/** A private CA made at run time by openssl: server and client certificates, good ones and bad ones. */
import { type Openssl, openssl } from './openssl.ts'

export interface Issued {
  readonly cert: string
  readonly key: string
}

export interface IssueOptions {
  /** As openssl writes it: `/O=Acme/CN=billing`. */
  readonly subject?: string
  /** `URI:spiffe://…`, `DNS:localhost`, …; comma-separated. */
  readonly san?: string
  /** `clientAuth`, `serverAuth`, …; none: no such extension. */
  readonly purpose?: string
  /** More lines of the extensions. */
  readonly extensions?: readonly string[]
  /** As `openssl ca` writes times: `20200101000000Z`. Default: around now. */
  readonly notBefore?: string
  readonly notAfter?: string
}

export interface Authority {
  readonly certificate: string
  issue(options?: IssueOptions): Issued
  /** A CA below this one. */
  intermediate(name: string): Authority
}

interface Teardown {
  teardown(fn: () => void): void
}

/** `signer`: a key and certificate to sign with, whether they are a CA's or not. */
export function createAuthority(t: Teardown, name = 'Test CA', signer?: Issued): Authority {
  const tool = openssl(t)
  if (signer) {
    tool.write('root.key', signer.key)
    tool.write('root.crt', signer.cert)
    return authorityOf(tool, 'root')
  }
  newKey(tool, 'root.key')
  tool.run(
    ...['req', '-x509', '-new', '-key', 'root.key', '-out', 'root.crt', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  )
  return authorityOf(tool, 'root')
}

function authorityOf(tool: Openssl, signer: string): Authority {
  let count = 0
  const issue = (options: IssueOptions): Issued => {
    count += 1
    const base = `${signer}-${count}`
    newKey(tool, `${base}.key`)
    const { subject = '/CN=test', san, purpose, extensions = [], notBefore, notAfter } = options
    tool.run(...['req', '-new', '-key', `${base}.key`, '-out', `${base}.csr`, '-subj', subject])
    tool.write(
      `${base}.cnf`,
      [
        ...['[ca]', 'default_ca=it', '[it]', `database=${base}.db`, `new_certs_dir=.`],
        ...['default_md=sha256', 'policy=any', 'copy_extensions=none', 'x509_extensions=ext'],
        ...['rand_serial=yes', 'unique_subject=no', '[any]', 'commonName=optional'],
        ...['organizationName=optional', 'countryName=optional', '[ext]'],
        'subjectKeyIdentifier=hash',
        ...(san === undefined ? [] : [`subjectAltName=${san}`]),
        ...(purpose === undefined ? [] : [`extendedKeyUsage=${purpose}`]),
        ...extensions,
        '',
      ].join('\n'),
    )
    tool.write(`${base}.db`, '')
    const dates =
      notBefore === undefined
        ? ['-days', '2']
        : ['-startdate', notBefore, '-enddate', notAfter ?? '20991231235959Z']
    tool.run(
      ...['ca', '-batch', '-config', `${base}.cnf`, '-in', `${base}.csr`, '-out', `${base}.crt`],
      ...[
        '-cert',
        `${signer}.crt`,
        '-keyfile',
        `${signer}.key`,
        '-notext',
        '-preserveDN',
        ...dates,
      ],
    )
    return { cert: tool.read(`${base}.crt`), key: tool.read(`${base}.key`) }
  }
  return {
    certificate: tool.read(`${signer}.crt`),
    issue: (options = {}) => issue(options),
    intermediate(name) {
      const { cert, key } = issue({
        subject: `/CN=${name}`,
        extensions: ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'],
      })
      const file = name.replaceAll(/\W/g, '')
      tool.write(`${file}.crt`, cert)
      tool.write(`${file}.key`, key)
      return authorityOf(tool, file)
    },
  }
}

/** A certificate that nobody signed but itself. */
export function selfSigned(
  t: Teardown,
  { subject = '/CN=test', san, purpose }: IssueOptions = {},
): Issued {
  const tool = openssl(t)
  newKey(tool, 'self.key')
  tool.run(
    ...['req', '-x509', '-new', '-key', 'self.key', '-out', 'self.crt', '-days', '2'],
    ...['-subj', subject],
    ...(san === undefined ? [] : ['-addext', `subjectAltName=${san}`]),
    ...(purpose === undefined ? [] : ['-addext', `extendedKeyUsage=${purpose}`]),
  )
  return { cert: tool.read('self.crt'), key: tool.read('self.key') }
}

function newKey(tool: Openssl, file: string): void {
  tool.run('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', file)
}
