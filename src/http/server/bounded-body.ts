import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from 'node:zlib'

/** The body of an answer, read and decompressed within a limit, or the reason for failure. */
type BoundedBody = Buffer | 'too_large' | 'undecodable'

const DECODERS: Readonly<Record<string, (input: Buffer, options: ZlibOptions) => Promise<Buffer>>> =
  {
    gzip: promisify<Buffer, ZlibOptions, Buffer>(gunzip),
    'x-gzip': promisify<Buffer, ZlibOptions, Buffer>(gunzip),
    deflate: promisify<Buffer, ZlibOptions, Buffer>(inflate),
    br: promisify<Buffer, ZlibOptions, Buffer>(brotliDecompress),
  }

interface EncodedBody {
  readonly stream: AsyncIterable<Buffer>
  readonly contentLength: string | undefined
  readonly contentEncoding: string | undefined
}

/**
 * Reads at most `limit` bytes, on the wire and decompressed. A declared length above the limit is
 * refused; a smaller one is not trusted. Rejects as the stream does.
 */
export async function readBounded(body: EncodedBody, limit: number): Promise<BoundedBody> {
  const isDeclaredTooLarge = Number(body.contentLength) > limit
  const chunks: Buffer[] = []
  let size = 0
  // An early exit destroys the stream and its connection.
  for await (const chunk of body.stream) {
    size += chunk.length
    if (isDeclaredTooLarge || size > limit) return 'too_large'
    chunks.push(chunk)
  }
  return decode(Buffer.concat(chunks), body.contentEncoding, limit)
}

async function decode(bytes: Buffer, encoding: string | undefined, limit: number) {
  const name = encoding?.trim().toLowerCase() ?? 'identity'
  if (name === '' || name === 'identity' || bytes.length === 0) return bytes
  const decoder = Object.hasOwn(DECODERS, name) ? DECODERS[name] : undefined
  if (decoder === undefined) return 'undecodable'
  try {
    return await decoder(bytes, { maxOutputLength: limit })
  } catch (error) {
    const isBomb = error instanceof RangeError && 'code' in error
    return isBomb && error.code === 'ERR_BUFFER_TOO_LARGE' ? 'too_large' : 'undecodable'
  }
}
