/** The style and the script of the status page. Constants: the policy of the page has their hashes. */
import type { PageExtra } from '../http/pages/html-page.ts'

const STYLE = `:root{--red:#a3140f;--amber:#7a4a00;--green:#1c6434;--line:#8a8a8a;--blue:#1f5fa5;background:#fff;color:#141414}
@media(prefers-color-scheme:dark){:root{--red:#ffb3ab;--amber:#f5c863;--green:#86dba0;--line:#8c8c8c;--blue:#8cc0f7;background:#141414;color:#ececec}}
a{color:var(--blue)}
body{padding:1.5rem 1rem}main{max-width:100rem}
h2{font-size:1.2rem;margin:2rem 0 .5rem}h3{font-size:1rem;margin:0}
.bar{display:flex;flex-wrap:wrap;gap:.5rem 1.5rem;align-items:center}.bar form,.bar p{margin:0}
.needs{list-style:none;padding:0;display:grid;gap:1rem}.needs li{border-left:.25rem solid var(--red);padding-left:.75rem}
.needs dl{margin:.25rem 0 0}.needs dd{max-width:60rem}
.red{color:var(--red)}.amber{color:var(--amber)}.green{color:var(--green)}
nav ul{display:flex;flex-wrap:wrap;gap:.25rem 1rem;list-style:none;padding:0;margin:.5rem 0}
nav [aria-current]{font-weight:bold;text-decoration:none;color:inherit}
.scroll{overflow-x:auto}table{border-collapse:collapse;min-width:100%}
caption{text-align:left;padding-bottom:.25rem}
th,td{text-align:left;padding:.3rem .75rem .3rem 0;border-bottom:1px solid var(--line);white-space:nowrap;vertical-align:top}
tbody th{font-weight:600}
.chart{display:block;width:100%;max-width:60rem;height:auto}.chart text{fill:currentColor;font-size:11px}
.chart .axis{stroke:var(--line)}.minted{fill:var(--blue)}.refused{fill:var(--red)}
.key{display:inline-block;width:.75rem;height:.75rem;vertical-align:middle}.key.minted{background:var(--blue)}.key.refused{background:var(--red)}
input,button{font:inherit;padding:.35rem .6rem}input[type=password]{display:block;width:100%;max-width:34rem;box-sizing:border-box;margin:.25rem 0 1rem}
:focus-visible{outline:3px solid var(--blue);outline-offset:2px}
@media(max-width:40rem){dl{grid-template-columns:1fr}dt{margin-top:.25rem}}`

/** How often an open page is read again. */
export const REFRESH_SECONDS = 30

/** Reads the page again, and puts its live part in the place of the old one. What has the focus, is open, is scrolled or is selected stays. */
const SCRIPT = `const live = document.getElementById('live')
const box = document.getElementById('refreshes')
const told = document.getElementById('told')
box.parentElement.hidden = false
let since = new Date()
const refresh = async () => {
  if (!box.checked || document.hidden || !getSelection().isCollapsed) return
  try {
    const answer = await fetch(location.href, { redirect: 'error' })
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
    const next = page.getElementById('live')
    if (!next && answer.ok) return location.reload()
    if (!next) throw new Error('the answer is ' + answer.status)
    const focused = document.activeElement?.id
    const at = document.getElementById('table')?.scrollLeft ?? 0
    for (const { id } of live.querySelectorAll('details[open]')) {
      page.getElementById(id)?.setAttribute('open', '')
    }
    document.body.className = page.body.className
    live.replaceChildren(...next.childNodes)
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true })
    document.getElementById('table')?.scrollTo({ left: at })
    since = new Date()
    told.textContent = ''
  } catch (error) {
    told.textContent = 'Not refreshed since ' + since.toLocaleTimeString() + ': ' + error.message
  }
}
setInterval(refresh, ${REFRESH_SECONDS * 1_000})`

export const OVERVIEW_EXTRA: PageExtra = { style: STYLE, script: SCRIPT, hasForms: true }
/** For pages without a live part. */
export const FORM_EXTRA: PageExtra = { style: STYLE, hasForms: true }
