/** Reads bodies of text and of forms, plain or compressed with gzip. */
import { gunzip } from 'node:zlib'
import { BrokerError } from '../../errors/errors.ts'
import { createRepeatedText } from '../repeated-text.ts'
import type { Server } from './server.ts'

export const FORM = 'application/x-www-form-urlencoded'

/** In bytes, on the wire and decompressed. */
const BODY_LIMIT = 64 * 1024
/** Texts of these routes compress less than this. */
const RATIO_MAX = 100

interface TextBodies {
  readonly mediaType: string
  /** Gets the text, and may throw. What it gives must not be changed: it counts for the same text of the connection, too. */
  readonly parse: (text: string) => unknown
}

/** The routes of this scope take such bodies and nothing else. */
export function takeTexts(scope: Server, { mediaType, parse }: TextBodies): void {
  const read = createRepeatedText(parse)
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    mediaType,
    { parseAs: 'buffer', bodyLimit: BODY_LIMIT },
    (request, body, done) => {
      const bytes = body as Buffer
      const finish = (plain: Buffer) => {
        try {
          done(null, read(request.raw.socket, plain.toString()))
        } catch (error) {
          done(error as Error)
        }
      }
      const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
      if (encoding === 'identity' || encoding === '') return finish(bytes)
      if (encoding !== 'gzip' && encoding !== 'x-gzip') {
        done(unsupportedEncoding(mediaType))
        return
      }
      gunzip(bytes, { maxOutputLength: BODY_LIMIT }, (error, plain) => {
        if (error) done(unreadable(error))
        else if (plain.length > bytes.length * RATIO_MAX) done(tooLarge())
        else finish(plain)
      })
    },
  )
}

/** A route of this scope takes forms and nothing else. `parse` gets the text, and may throw. */
export const takeForms = (scope: Server, parse: (text: string) => unknown): void =>
  takeTexts(scope, { mediaType: FORM, parse })

const unsupportedEncoding = (mediaType: string) =>
  new BrokerError('media_type_unsupported', 'The body has a Content-Encoding other than gzip', {
    members: { media_types: [mediaType] },
    remedy: 'Send the body as it is, or compress it with gzip.',
  })

const tooLarge = () =>
  new BrokerError('body_too_large', 'The body has more than 64 KiB when it is decompressed')

const unreadable = (error: Error) =>
  'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    ? tooLarge()
    : new BrokerError('request_invalid', 'The body is not valid gzip', { cause: error })
