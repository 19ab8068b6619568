import type { Answer } from './answer.ts'

/** Pages for people in a browser: plain HTML with forms, without scripts. */
interface Choice {
  readonly value: string
  readonly label: string
}

export type Field =
  | { readonly kind: 'hidden'; readonly name: string; readonly value: string }
  | { readonly kind: 'text'; readonly name: string; readonly label: string; readonly value: string }
  | {
      readonly kind: 'choice'
      readonly name: string
      readonly label: string
      readonly choices: readonly Choice[]
    }

export interface Page {
  readonly title: string
  readonly paragraphs: readonly string[]
  readonly list?: readonly string[]
  readonly form?: {
    readonly action: string
    readonly fields: readonly Field[]
    /** Buttons with their value of `decision`. */
    readonly decisions: readonly Choice[]
  }
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;background:#f3f3f3;color:#181818;margin:0}
main{max-width:26rem;margin:4rem auto;padding:2rem;background:#fff;border:1px solid #ddd;border-radius:.5rem}
h1{font-size:1.25rem;margin:0 0 1rem}label{display:block;margin:1rem 0}
select,input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem;margin-top:.25rem}
button{font:inherit;padding:.5rem 1.25rem;margin:1rem .5rem 0 0}small{color:#666}`

export function pageAnswer(status: number, page: Page): Answer {
  const { title, paragraphs, list = [], form } = page
  const items = list.map((item) => `<li>${escaped(item)}</li>`)
  return {
    status,
    headers: {
      'content-type': 'text/html;charset=UTF-8',
      'cache-control': 'no-cache, no-store',
      'x-frame-options': 'DENY',
    },
    body: [
      '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">',
      '<meta name="viewport" content="width=device-width, initial-scale=1">',
      `<title>${escaped(title)}</title><style>${STYLE}</style></head><body><main>`,
      `<h1>${escaped(title)}</h1>`,
      ...paragraphs.map((text) => `<p>${escaped(text)}</p>`),
      ...(items.length > 0 ? [`<ul>${items.join('')}</ul>`] : []),
      ...(form === undefined ? [] : [formOf(form)]),
      '<p><small>Simulated Salesforce</small></p></main></body></html>',
    ].join('\n'),
  }
}

function formOf({ action, fields, decisions }: NonNullable<Page['form']>): string {
  const buttons = decisions.map(
    ({ value, label }) =>
      `<button name="decision" value="${escaped(value)}">${escaped(label)}</button>`,
  )
  const inner = [...fields.map(fieldOf), ...buttons].join('\n')
  return `<form method="post" action="${escaped(action)}">${inner}</form>`
}

function fieldOf(field: Field): string {
  const name = escaped(field.name)
  if (field.kind === 'hidden') {
    return `<input type="hidden" name="${name}" value="${escaped(field.value)}">`
  }
  if (field.kind === 'text') {
    return `<label>${escaped(field.label)}<input name="${name}" value="${escaped(field.value)}" autocomplete="off"></label>`
  }
  const options = field.choices.map(
    ({ value, label }) => `<option value="${escaped(value)}">${escaped(label)}</option>`,
  )
  return `<label>${escaped(field.label)}<select name="${name}">${options.join('')}</select></label>`
}

function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
