/** Undoes encodings around a PEM block: UTF-16, base64, URL encoding. */

interface PlainText {
  readonly text: string
  /** Corrections made, each a sentence without a full stop. */
  readonly done: readonly string[]
}

interface Step {
  readonly words: string
  /** Undefined: this encoding was not present. */
  undo(text: string): string | undefined
}

const BASE64 = /^[A-Za-z0-9+/_-]+={0,2}$/
/** Most encodings around one key. */
const LAYERS = 4

const STEPS: readonly Step[] = [
  {
    words: 'UTF-16 was decoded',
    undo(text) {
      if (!text.includes('\0')) return undefined
      const plain = text.replace(/^(?:\ufeff|\ufffe|\ufffd{1,2}|\u00ff\u00fe|\u00fe\u00ff)/, '')
      const isWide = /^(?:[^\0]\0){4}/.test(plain) || /^(?:\0[^\0]){4}/.test(plain)
      return isWide ? plain.replaceAll('\0', '') : undefined
    },
  },
  {
    words: 'A byte order mark was removed',
    undo: (text) =>
      /^(?:\ufeff|\u00ef\u00bb\u00bf)/.test(text)
        ? text.replace(/^(?:\ufeff|\u00ef\u00bb\u00bf)/, '')
        : undefined,
  },
  {
    words: 'URL encoding was decoded',
    undo(text) {
      if (!/BEGIN(?:%20|\+)[A-Z]/.test(text) && !/%0[aAdD]/.test(text)) return undefined
      try {
        return decodeURIComponent(text.replace(/(BEGIN|END|PRIVATE|RSA)\+(?=[A-Z])/g, '$1 '))
      } catch {
        // A text that only looks URL-encoded stays unchanged; the parser refuses it.
        return undefined
      }
    },
  },
  {
    words: 'Dashes that a word processor had changed were restored',
    undo(text) {
      if (!/[\u2010-\u2015\u2212]-{0,4}(?:BEGIN|END) /.test(text)) return undefined
      return text
        .replace(/[-\u2010-\u2015\u2212]{1,5}(?=(?:BEGIN|END) )/g, '-----')
        .replace(/((?:BEGIN|END) [A-Z0-9 ]{1,40})[-\u2010-\u2015\u2212]{1,5}/g, '$1-----')
    },
  },
  {
    words: 'base64 of the whole PEM was decoded',
    undo(text) {
      const packed = text.replace(/["'\s]|\\[nr]/g, '')
      if (text.includes('-----') || !BASE64.test(packed)) return undefined
      const bytes = Buffer.from(packed, 'base64')
      const latin = bytes.toString('latin1')
      if (latin.replaceAll('\0', '').includes('-----BEGIN ')) return bytes.toString('utf8')
      // For nested base64, the inner text is decoded in the next round.
      return latin.startsWith('LS0t') ? latin : undefined
    },
  },
]

export function plainText(given: string): PlainText {
  let text = given
  const done: string[] = []
  for (let layer = 0; layer < LAYERS; layer += 1) {
    const next = STEPS.map(({ words, undo }) => ({ words, text: undo(text) })).find(
      (step) => step.text !== undefined,
    )
    if (next?.text === undefined) break
    text = next.text
    if (!done.includes(next.words)) done.push(next.words)
  }
  return { text, done }
}
