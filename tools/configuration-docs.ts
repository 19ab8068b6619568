/** Generates `docs/configuration.md` from the table of settings. */
import { SETTINGS, type Setting } from '../src/config/setting.ts'

const HEAD = `# Configuration

<!-- Generated from src/config/setting.ts by \`npm run generate\`; a test compares it. -->

Settings are environment variables. Valetkey reports every mistake at once, and the process exits
with status 78 before it listens. An empty variable counts as unset. Lists are comma-separated. A
\`VALETKEY_\` variable that is not in this table is a mistake, so that a misspelt one is noticed.

| variable | default | meaning |
|---|---|---|
`

const TAIL = `
A variable with ¹ holds a secret. A second variable with \`_FILE\` (\`VALETKEY_KEYRING_FILE\`, …) names a
file instead. Line breaks at the end of the file do not count. Setting both is a mistake. Secrets are
never printed: not in mistakes, not in logs, and not with the configuration.
`

export function renderConfigurationDocs(): string {
  const rows = Object.values<Setting<unknown>>(SETTINGS).map(
    ({ variable, secret, fallback, otherwise, meaning }) =>
      `| \`${variable}\`${secret ? '¹' : ''} | ${fallback === undefined ? otherwise : `\`${fallback}\``} | ${meaning} |\n`,
  )
  return `${HEAD}${rows.join('')}${TAIL}`
}
