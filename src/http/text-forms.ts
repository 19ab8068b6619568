/** Forms of text members in the API: a pattern for programs and a description for people. */

interface TextForm {
  /** ECMA-262, anchored at both ends. */
  readonly pattern: string
  /** Describes the pattern; completes "must be …". */
  readonly $comment: string
}

/** Forms that several members share. */
export const TEXT_FORMS = {
  /** For integrations, API keys and callers. */
  name: {
    pattern: '^[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?$',
    $comment: '1 to 64 lower-case letters, digits and hyphens, without a hyphen at either end',
  },
  /** Of the file of `VALETKEY_SIGNERS`. */
  signer_name: {
    pattern: '^[a-z][a-z0-9-]{0,31}$',
    $comment: '1 to 32 lower-case letters, digits and hyphens that begin with a letter',
  },
  label_key: {
    pattern: '^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$',
    $comment: '1 to 63 letters, digits and . _ / - with a letter or digit at either end',
  },
  label_value: {
    pattern: '^[^\\u0000-\\u001f\\u007f]{0,128}$',
    $comment: 'at most 128 characters, none of them a control character',
  },
  visible: {
    pattern: '^[!-~]+$',
    $comment: 'visible ASCII characters without spaces',
  },
  printable: {
    pattern: '^[^\\u0000-\\u001f\\u007f]*$',
    $comment: 'text without control characters',
  },
  username: {
    pattern: '^[^\\s@]+@[^\\s@]+$',
    $comment: 'a Salesforce username, which looks like an email address: billing@acme.com',
  },
  org_id: {
    pattern: '^00D[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$',
    $comment: 'an org id: 15 or 18 letters and digits that begin with 00D',
  },
  user_id: {
    pattern: '^005[A-Za-z0-9]{12}([A-Za-z0-9]{3})?$',
    $comment: 'a user id: 15 or 18 letters and digits that begin with 005',
  },
  /** For metadata and Apex classes. */
  api_name: {
    pattern: '^[A-Za-z][A-Za-z0-9_]{0,79}$',
    $comment: '1 to 80 letters, digits and underscores that begin with a letter',
  },
} as const satisfies Record<string, TextForm>
