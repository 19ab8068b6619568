/** The file of `VALETKEY_SIGNERS`: what it gives, and the line of each mistake. */
import t from 'tap'
import { planKeyring } from '../../src/config/keyring-keys.ts'
import { readSigners } from '../../src/config/signers-file.ts'
import { Secret } from '../../src/crypto/secret.ts'
import { newSigningKey } from '../support/signing-key.ts'

const { certificate: CA } = await newSigningKey()
const FILES: Readonly<Record<string, string>> = { '/ca.pem': CA, '/words.pem': 'no certificate' }
const parse = (text: string) =>
  readSigners('/signers.yaml', (path) => {
    const content = path === '/signers.yaml' ? text : FILES[path]
    if (content !== undefined) return content
    throw Object.assign(new Error('no such file'), { code: 'ENOENT' })
  })

t.test('gives the settings of each signer with their defaults', async (t) => {
  t.same(
    readSigners(undefined, () => t.fail('nothing is read') as never),
    [],
  )
  const text = `
signers:
  vault:
    type: vault_transit
    address: https://vault.internal:8200/
    keys: [valetkey-*]
    auth: { type: kubernetes, role: valetkey }
  agent:
    type: vault_transit
    address: http://127.0.0.1:8100
    mount: team/transit
    namespace: team-a
    ca_file: /ca.pem
    keys: [billing]
    integrations: [billing]
    timeout_seconds: 0.5
    signatures_at_once: 2
    auth: { type: certificate, certificate_file: /c, key_file: /k }
  kms:
    type: aws_kms
    region: eu-central-1
    keys: ['*']
  hsm:
    type: pkcs11
    module: /usr/lib/softhsm/libsofthsm2.so
    token: valetkey
    pin_file: /run/secrets/pin
    keys: [billing]
`
  t.same(parse(text), [
    {
      ...{ name: 'vault', type: 'vault_transit', address: 'https://vault.internal:8200/' },
      ...{ keys: ['valetkey-*'], integrations: ['*'], mount: 'transit' },
      ...{ timeoutMs: 2_000, signaturesAtOnce: 8 },
      auth: {
        ...{ type: 'kubernetes', mount: 'kubernetes', role: 'valetkey' },
        tokenFile: '/var/run/secrets/kubernetes.io/serviceaccount/token',
      },
    },
    {
      ...{ name: 'agent', type: 'vault_transit', address: 'http://127.0.0.1:8100' },
      ...{ keys: ['billing'], integrations: ['billing'], mount: 'team/transit' },
      ...{ namespace: 'team-a', ca: CA, timeoutMs: 500, signaturesAtOnce: 2 },
      auth: { type: 'certificate', mount: 'cert', certificateFile: '/c', keyFile: '/k' },
    },
    {
      ...{ name: 'kms', type: 'aws_kms', region: 'eu-central-1', keys: ['*'] },
      ...{ integrations: ['*'], timeoutMs: 2_000, signaturesAtOnce: 8 },
    },
    {
      ...{ name: 'hsm', type: 'pkcs11', token: 'valetkey', keys: ['billing'] },
      ...{ module: '/usr/lib/softhsm/libsofthsm2.so', pinFile: '/run/secrets/pin' },
      ...{ integrations: ['*'], timeoutMs: 2_000, signaturesAtOnce: 8 },
    },
  ])
})

t.test('says what is wrong, and in which line', async (t) => {
  const withOne = (members: string) => `signers:\n  a: { type: vault_transit, ${members} }`
  const usual = 'keys: [k], auth: { type: token_file, token_file: /t }'
  for (const [text, why] of [
    ['', /VALETKEY_SIGNERS: line 1: signers must be there|signers/],
    [
      withOne(`address: http://vault:8200, ${usual}`),
      /line 2: signers\.a\.address must be an https/,
    ],
    [withOne(`address: https://vault/ui, ${usual}`), /line 2: signers\.a\.address/],
    [withOne(`address: https://user:word@vault, ${usual}`), /signers\.a\.address/],
    [withOne(`address: https://vault, keys: [], ${usual.slice(11)}`), /signers\.a\.keys/],
    [withOne(`address: https://vault, mount: a/../b, ${usual}`), /signers\.a\.mount/],
    [withOne('address: https://vault, keys: [k], auth: { type: token }'), /signers\.a\.auth/],
    [withOne(`address: https://vault, token: t, ${usual}`), /signers\.a/],
    ['signers: { a: { type: hsm } }', /signers\.a/],
    [
      'signers: { a: { type: aws_kms, region: eu-west-1, keys: [k], endpoint: "http://kms" } }',
      /line 1: signers\.a\.endpoint must be an https/,
    ],
    ['signers: { a: { type: aws_kms, keys: [k] } }', /signers\.a/],
    ['signers: { a: { type: pkcs11, token: t, pin_file: /p } }', /signers\.a/],
    ['signers: { a: { type: pkcs11, module: lib.so, token: t, pin_file: /p } }', /a\.module/],
    ['signers: [', /is not valid YAML/],
    [
      withOne(`address: https://vault, ca_file: /none.pem, ${usual}`),
      /line 2: signers\.a\.ca_file \/none\.pem cannot be read \(ENOENT\): name a PEM file/,
    ],
    [
      withOne(`address: https://vault, ca_file: /words.pem, ${usual}`),
      /line 2: signers\.a\.ca_file \/words\.pem has no certificate: name a PEM file/,
    ],
  ] as const) {
    t.throws(() => parse(text), { mistakes: [why] } as never, text)
  }
  t.throws(
    () =>
      readSigners('/none', () => {
        throw Object.assign(new Error('no'), { code: 'ENOENT' })
      }),
    { mistakes: ['VALETKEY_SIGNERS: /none cannot be read (ENOENT)'] } as never,
  )
})

t.test('keys of the keyring', async (t) => {
  const text = `
signers:
  vault: { type: vault_transit, address: https://vault, auth: { type: token_file, token_file: /t } }
  kms: { type: aws_kms, region: eu-central-1 }
keyring_keys:
  main: { signer: vault, key: keyring-valetkey }
  second: { signer: kms, key: 1234abcd }
  unused: { signer: vault, key: other }
`
  const own = `own:${Buffer.alloc(32).toString('base64')}`
  const plan = (keyring: string, file: string | undefined = '/signers.yaml', content = text) =>
    planKeyring(new Secret(keyring), file, () => content)

  await t.test('are found by the entries of VALETKEY_KEYRING', async (t) => {
    t.match(plan(`vault-transit:main,${own},aws-kms:second`), {
      entries: [{ type: 'vault_transit', name: 'main' }, { id: 'own' }, { name: 'second' }],
      wrappings: [
        { name: 'main', key: 'keyring-valetkey', signer: { name: 'vault', keys: [] } },
        { name: 'second', key: '1234abcd', signer: { name: 'kms' } },
      ],
    })
    const untouched = () => t.fail('nothing is read') as never
    t.same(planKeyring(new Secret(own), '/signers.yaml', untouched).wrappings, [])
  })

  await t.test('are missed with what is to be written', async (t) => {
    const unknown = text.replace('signer: kms', 'signer: none')
    for (const [make, mistakes] of [
      [
        () => planKeyring(new Secret('vault-transit:main'), undefined, () => text),
        ['VALETKEY_KEYRING: vault-transit:main needs VALETKEY_SIGNERS'],
      ],
      [
        () => plan('vault-transit:none,vault-transit:second'),
        [
          'VALETKEY_KEYRING: vault-transit:none is not there: keyring_keys of the file of VALETKEY_SIGNERS has no none',
          'VALETKEY_KEYRING: vault-transit:second is of a signer of the type aws_kms: write aws-kms:second',
        ],
      ],
      [
        () => plan('vault-transit:main', '/s', unknown),
        ['VALETKEY_SIGNERS: line 7: keyring_keys.second.signer is no name of signers'],
      ],
      [
        () => plan('vault-transit:main', '/s', `${text}  other: { key: k }`),
        [/keyring_keys\.other/],
      ],
      [
        () =>
          plan(
            ...(['vault-transit:main', '/s'] as const),
            'signers: { h: { type: pkcs11, module: /m, token: t, pin_file: /p } }\nkeyring_keys: { main: { signer: h, key: k } }',
          ),
        [/line 2: keyring_keys\.main\.signer must not be of the type pkcs11, which wraps nothing/],
      ],
      [() => plan('vault-transit:'), [/^VALETKEY_KEYRING: entry 1 has a name/]],
    ] as const) {
      t.throws(make, { mistakes } as never)
    }
  })
})
