/** The floor: `node:http` and nothing else, which gives one answer to everybody. `node bare.ts FILE` */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'

interface Answer {
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

const { headers, body } = JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')) as Answer

const server = createServer((_request, response) => {
  response.writeHead(200, headers)
  response.end(body)
})
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify(server.address()))
})
