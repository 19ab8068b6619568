/** The floor of a proof: `node:http` that signs as often as the path says, else once, and gives the same answer to everybody. `node signing.ts [FILE]` */
import { generateKeyPairSync, sign } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
/** As long as what a proof signs. */
const data = Buffer.alloc(420, 'a')

const [, , file] = process.argv
const { headers, body } = file
  ? JSON.parse(readFileSync(file, 'utf8'))
  : { headers: {}, body: 'ok' }

const server = createServer(({ url = '' }, response) => {
  const count = Number(/^\/(\d+)$/.exec(url)?.[1] ?? 1)
  for (let times = 0; times < count; times += 1) sign('sha256', data, privateKey)
  response.writeHead(200, headers)
  response.end(body)
})
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify(server.address()))
})
