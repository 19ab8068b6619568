/** HTML pages without scripts and without external content. */
import { createHash } from 'node:crypto'

interface HtmlPage {
  readonly title: string
  /** Colour of the border of the title. Default: none. */
  readonly tone?: 'good' | 'bad'
  /** Blocks of HTML; text in them must be escaped. */
  readonly blocks: readonly string[]
  /** Default: nothing of its own. */
  readonly extra?: PageExtra
}

/** What a page has besides the common style. Each is a constant, because the policy of the page has its hash. */
export interface PageExtra {
  readonly style: string
  readonly script?: string
  /** Whether it has forms, which go to this service. */
  readonly hasForms?: boolean
}

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{margin:0;padding:12vh 1.5rem}main{max-width:34rem;margin:auto}
h1{font-size:1.5rem;line-height:1.25;margin:0 0 1rem;padding-left:.75rem;border-left:.25rem solid}
.good h1{border-color:#2e844a}.bad h1{border-color:#ba0517}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.25rem 1rem;margin:1.5rem 0}
dt{opacity:.7}dd{margin:0;overflow-wrap:anywhere}footer{margin-top:2rem;opacity:.6}`

const sourceOf = (text: string): string =>
  `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** The Content-Security-Policy of a page: no external content, and no style or script but its own. A script may ask this service. */
export function policyOf({ style, script, hasForms = false }: Partial<PageExtra> = {}): string {
  return [
    "default-src 'none'",
    `style-src ${[STYLE, style]
      .filter((one) => one !== undefined)
      .map(sourceOf)
      .join(' ')}`,
    ...(script === undefined ? [] : [`script-src ${sourceOf(script)}`, "connect-src 'self'"]),
    "base-uri 'none'",
    `form-action ${hasForms ? "'self'" : "'none'"}`,
    "frame-ancestors 'none'",
  ].join('; ')
}

export const HTML_POLICY = policyOf()

export const HTML_MEDIA_TYPE = 'text/html; charset=utf-8'

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => ESCAPES[letter] ?? '')
}

/** Escapes the text and marks text between backticks as code. */
export const paragraph = (text: string): string =>
  `<p>${escaped(text).replace(/`([^`]*)`/g, '<code>$1</code>')}</p>`

/** Names and values, both as HTML. */
export const definitions = (rows: readonly (readonly [string, string])[]): string =>
  `<dl>${rows.map(([name, value]) => `<dt>${name}</dt><dd>${value}</dd>`).join('')}</dl>`

export const link = (to: string, text = to): string =>
  `<a href="${escaped(to)}">${escaped(text)}</a>`

export function renderHtml({ title, tone, blocks, extra }: HtmlPage): string {
  const style = extra ? `<style>${extra.style}</style>` : ''
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(title)}</title><style>${STYLE}</style>${style}</head>`,
    `<body${tone === undefined ? '' : ` class="${tone}"`}><main><h1>${escaped(title)}</h1>`,
    ...blocks,
    '<footer>Valetkey</footer></main>',
    ...(extra?.script === undefined ? [] : [`<script>${extra.script}</script>`]),
    '</body></html>',
  ].join('\n')
}
