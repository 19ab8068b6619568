/** Generates the pages about clients from the table that the tests run. Pure. */
import { CAUSES, type Cause, type ClientRow } from '../test/clients/client-row.ts'

const EXAMPLES = '../examples/clients'

interface Tried {
  /** Date of the last run of `npm run compat -- clients` that was right, by client and grant. Undefined: none. */
  readonly on: (row: ClientRow) => string | undefined
}

/** For `docs/clients.md`: the overview, then each client. */
export function renderClients(rows: readonly ClientRow[], tried: Tried): string {
  const byName = Map.groupBy(rows, ({ name }) => name)
  return [
    overview(rows, tried),
    ...[...byName].flatMap(([name, own]) => [`### ${name}`, ...own.map(settingsOf), notesOf(own)]),
  ].join('\n\n')
}

function overview(rows: readonly ClientRow[], tried: Tried): string {
  return [
    '| client | version | grant | the call after the end of a session | Salesforce sees the key | revokes the token | tried |',
    '|---|---|---|---|---|---|---|',
    ...rows.map((row) => {
      const says = (does: boolean) => (does ? '**yes**' : 'no')
      const harm = `${says(row.sendsKeyToInstance)} | ${says(row.revokesToken)}`
      const link = `[${row.name}](#${anchorOf(row.name)})`
      return `| ${link} | ${row.version} | ${row.grant} | ${afterOf(row)} | ${harm} | ${triedOf(row, tried)} |`
    }),
  ].join('\n')
}

function afterOf({ session }: ClientRow): string {
  if (session.next === 'none') return 'refused at the login'
  if (session.next === 'fails') return `fails: \`${session.prints}\``
  return session.by === 'client' ? 'succeeds' : 'succeeds, if your code logs in again'
}

function triedOf(row: ClientRow, { on }: Tried): string {
  if (row.tried === 'ci') return 'in each test run'
  return on(row) ?? 'not yet'
}

function settingsOf({ grant, example, settings }: ClientRow): string {
  if (settings.length === 0) return `[The program](${EXAMPLES}/${example}) that is refused.`
  return [
    `| ${grant} ([example](${EXAMPLES}/${example})) | value |`,
    '|---|---|',
    ...settings.map(([setting, value]) => `| \`${setting}\` | ${cellOf(value)} |`),
  ].join('\n')
}

/** A value stands in code. A sentence about one does not. */
const cellOf = (value: string) => (/^\S+$/.test(value) ? `\`${value}\`` : value)

function notesOf(rows: readonly ClientRow[]): string {
  const notes = [...new Set(rows.flatMap(({ beware }) => beware))]
  return notes.map((note) => `- ${note}`).join('\n')
}

/** For `docs/client-errors.md`: what each client prints at each cause. */
export function renderClientErrors(rows: readonly ClientRow[]): string {
  return rows
    .filter(({ prints }) => Object.keys(prints).length > 0)
    .map(errorsOf)
    .join('\n\n')
}

function errorsOf({ name, version, grant, prints }: ClientRow): string {
  const causes = (Object.keys(CAUSES) as Cause[]).filter((cause) => prints[cause] !== undefined)
  return [
    `### ${name} ${version}, ${grant}`,
    '',
    '| cause | prints |',
    '|---|---|',
    ...causes.map((cause) => `| ${CAUSES[cause]} | \`${(prints[cause] ?? '').trim()}\` |`),
  ].join('\n')
}

/** As hosting sites make it of a heading. */
const anchorOf = (heading: string) =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
