/** Formats the setup sheet as Markdown. */
import type { Sheet } from './sheet.ts'
import type { Field, SetupStep } from './step.ts'

export function markdownOf(sheet: Sheet): string {
  const { integration, title, missing, steps, wait, traps, writeBack, metadata } = sheet
  const { method, path, headers, body } = writeBack
  return [
    `# ${title} for \`${integration}\``,
    missing.length === 0
      ? 'The integration is complete; this sheet shows the required settings of its app.'
      : `Still missing: ${missing.map((member) => `\`${member}\``).join(', ')}.`,
    `The same as files to deploy, without secrets: \`GET ${metadata}\`.`,
    ...steps.map((step, at) => stepText(step, at + 1)),
    '## What to send back',
    [
      '```',
      `${method} ${path}`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      '',
      JSON.stringify(body),
      '```',
    ].join('\n'),
    `A change in Setup takes ${wait.least / 60} to ${wait.most / 60} minutes to reach all servers of Salesforce.`,
    '## Traps',
    traps.map(({ detail }) => `- ${detail}`).join('\n'),
    '',
  ].join('\n\n')
}

function stepText({ title, where, fields }: SetupStep, number: number): string {
  const rows = fields.map(
    ({ section, field, value, why }: Field) =>
      `| ${[section, field, value, why ?? ''].map(cell).join(' | ')} |`,
  )
  return [
    `## ${number}. ${title}`,
    ...(where === null ? [] : [where]),
    ['| where | field | value | why |', '|---|---|---|---|', ...rows].join('\n'),
  ].join('\n\n')
}

/** Text from operators must not end the cell or start a tag. */
const cell = (text: string) =>
  text.replaceAll('\\', '\\\\').replaceAll('|', '\\|').replaceAll('<', '&lt;')
