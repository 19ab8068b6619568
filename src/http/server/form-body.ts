/** Reads bodies in form encoding, plain or compressed with gzip. */
import { gunzip } from 'node:zlib'
import { BrokerError } from '../../errors/errors.ts'
import type { Server } from './server.ts'

export const FORM = 'application/x-www-form-urlencoded'

/** In bytes, on the wire and decompressed. */
const BODY_LIMIT = 64 * 1024
/** A form compresses less than this. */
const RATIO_MAX = 100

/** A route of this scope takes forms and nothing else. `parse` gets the text, and may throw. */
export function takeForms(scope: Server, parse: (text: string) => unknown): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(
    FORM,
    { parseAs: 'buffer', bodyLimit: BODY_LIMIT },
    (request, body, done) => {
      const bytes = body as Buffer
      const finish = (plain: Buffer) => {
        try {
          done(null, parse(plain.toString()))
        } catch (error) {
          done(error as Error)
        }
      }
      const encoding = request.headers['content-encoding']?.trim().toLowerCase() ?? 'identity'
      if (encoding === 'identity' || encoding === '') return finish(bytes)
      if (encoding !== 'gzip' && encoding !== 'x-gzip') {
        done(unsupportedEncoding())
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

const unsupportedEncoding = () =>
  new BrokerError('media_type_unsupported', 'The body has a Content-Encoding other than gzip', {
    members: { media_types: [FORM] },
    remedy: 'Send the body as it is, or compress it with gzip.',
  })

const tooLarge = () =>
  new BrokerError('body_too_large', 'The body has more than 64 KiB when it is decompressed')

const unreadable = (error: Error) =>
  'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    ? tooLarge()
    : new BrokerError('request_invalid', 'The body is not valid gzip', { cause: error })
