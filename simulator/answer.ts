/** The answer of an endpoint, before it is sent or a fault changes it. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const NO_STORE = { 'cache-control': 'no-cache, no-store', pragma: 'no-cache' }

export function jsonAnswer(status: number, value: unknown): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json;charset=UTF-8', ...NO_STORE },
    body: JSON.stringify(value),
  }
}

export function textAnswer(status: number, body: string): Answer {
  return { status, headers: { 'content-type': 'text/plain;charset=UTF-8' }, body }
}

export function formAnswer(status: number, members: Readonly<Record<string, string>>): Answer {
  return {
    status,
    headers: { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8', ...NO_STORE },
    body: new URLSearchParams(members).toString(),
  }
}

export function xmlAnswer(status: number, members: Readonly<Record<string, unknown>>): Answer {
  const elements = Object.entries(members).map(
    ([name, value]) => `<${name}>${escapeXml(String(value))}</${name}>`,
  )
  return {
    status,
    headers: { 'content-type': 'application/xml;charset=UTF-8', ...NO_STORE },
    body: `<?xml version="1.0" encoding="UTF-8"?><OAuth>${elements.join('')}</OAuth>`,
  }
}

export function htmlAnswer(status: number, title: string): Answer {
  return {
    status,
    headers: { 'content-type': 'text/html;charset=UTF-8' },
    body: `<!DOCTYPE html><html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>`,
  }
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
