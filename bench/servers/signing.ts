/** The floor of a proof: `node:http` that signs as often as the path says, and gives the same answer to everybody. */
import { generateKeyPairSync, sign } from 'node:crypto'
import { createServer } from 'node:http'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
/** As long as what a proof signs. */
const data = Buffer.alloc(420, 'a')

const server = createServer(({ url = '/0' }, response) => {
  const count = Number(url.slice(1))
  for (let times = 0; times < count; times += 1) sign('sha256', data, privateKey)
  response.end('ok')
})
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify(server.address()))
})
