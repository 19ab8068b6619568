/** Valid combinations of the members of a new credential, for OpenAPI. They match what the code accepts. */

type Schema = Readonly<Record<string, unknown>>
type Members = Readonly<Record<string, object>>

/** Required and optional members of a form. */
interface Form {
  readonly title: string
  readonly needs: readonly string[]
  readonly takes?: readonly string[]
}

const GENERATED: Form = { title: 'Key made here', needs: ['generate'] }
const REQUESTED: Form = { title: 'Key made here for a CA', needs: ['csr'] }
const REQUESTED_THERE: Form = { title: 'Key at a signer for a CA', needs: ['signer', 'csr'] }
const IMPORTED: Form = {
  ...{ title: 'Imported key', needs: ['private_key'] },
  takes: ['certificate', 'passphrase'],
}
const KEYSTORE: Form = {
  ...{ title: 'Imported keystore', needs: ['keystore', 'passphrase'] },
  takes: ['alias'],
}
const REMOTE: Form = {
  ...{ title: 'Key at a signer', needs: ['signer'] },
  takes: ['certificate'],
}
const CERTIFIED: Form = {
  title: 'Key at a signer, certified here',
  needs: ['signer', 'generate'],
}
const SECRET: Form = { title: 'Client secret', needs: ['client_secret'] }
const BORROWED: Form = { title: 'Credential of another integration', needs: ['from'] }
const APPROVAL: Form = {
  ...{ title: 'Refresh token of an app', needs: ['refresh_token'] },
  takes: ['client_secret'],
}

const withApproval = ({ title, needs, takes = [] }: Form): Form => ({
  title: `${title} and refresh token`,
  needs: [...needs, 'refresh_token'],
  takes,
})

const KEYS = [GENERATED, IMPORTED, KEYSTORE, REMOTE, CERTIFIED]

/** Forms by what a grant needs: the values of `credentialType`, and `signed` for a refresh token whose app signs. */
export const FORMS = {
  certificate: KEYS,
  client_secret: [SECRET],
  refresh_token: [SECRET, APPROVAL],
  signed_refresh_token: [
    ...KEYS,
    withApproval(IMPORTED),
    withApproval(KEYSTORE),
    withApproval(REMOTE),
  ],
} as const satisfies Record<string, readonly Form[]>

/** Forms for an integration. The credential may be another integration's. */
export const credentialOneOf = (members: Members, forms: readonly Form[]): Schema => ({
  anyOf: [...forms, BORROWED].map((form) => ({
    title: form.title,
    ...schemaOf(members, form),
    writeOnly: true,
  })),
})

const mayHaveApproval = (form: Form): Form => ({
  ...form,
  takes: [...(form.takes ?? []), 'refresh_token'],
})

/** Forms for a staged credential of any grant. `beside`: more optional members of each form. */
export const stagedOneOf = (members: Members, beside: readonly string[]): Schema => {
  const imported = mayHaveApproval(IMPORTED)
  const remote = mayHaveApproval(REMOTE)
  const atSigner = [remote, CERTIFIED, REQUESTED_THERE]
  const forms = [GENERATED, REQUESTED, imported, KEYSTORE, ...atSigner, SECRET, APPROVAL]
  return {
    anyOf: forms.map(({ needs, takes = [], title }) =>
      schemaOf(members, { title, needs, takes: [...takes, ...beside] }),
    ),
  }
}

function schemaOf(members: Members, { needs, takes = [] }: Form): Schema {
  const names = [...needs, ...takes]
  return {
    type: 'object',
    required: needs,
    properties: Object.fromEntries(names.map((name) => [name, members[name] ?? {}])),
    additionalProperties: false,
  }
}
