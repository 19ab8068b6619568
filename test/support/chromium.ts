/** A headless Chromium that is told what to do by the DevTools protocol. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Page {
  /** The value of an expression in the page, or what its promise gives; it must be JSON. */
  evaluate(expression: string): Promise<unknown>
  /** Shows the page as in a window of this width, in light or dark. */
  look(width: number, scheme: 'light' | 'dark'): Promise<void>
  /** Presses and releases a key, by its name: `Tab`, `Enter` or a space. */
  press(key: 'Tab' | 'Enter' | ' '): Promise<void>
  /** Puts text where the focus is, as a paste does. */
  paste(text: string): Promise<void>
  /** Every URL that was asked for so far. */
  requests(): readonly string[]
  /** What the browser complained about: errors of scripts, and what a policy forbade. */
  complaints(): readonly string[]
  /** A PNG of what is seen. */
  screenshot(): Promise<Buffer>
}

interface Teardown {
  teardown(end: () => unknown): void
}

const DEADLINE_MS = 60_000
const KEYS = {
  Tab: { code: 'Tab', windowsVirtualKeyCode: 9 },
  Enter: { code: 'Enter', windowsVirtualKeyCode: 13 },
  ' ': { code: 'Space', windowsVirtualKeyCode: 32 },
} as const
const FLAGS = [
  ...['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run'],
  ...['--disable-background-networking', '--disable-component-update', '--disable-sync'],
  ...['--remote-debugging-port=0', '--window-size=1280,1600'],
]

/** Opens the URL in a browser of its own, which ends with the test. */
export async function openPage(t: Teardown, url: string): Promise<Page> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-chromium-'))
  const args = [...FLAGS, `--user-data-dir=${folder}`, 'about:blank']
  // A group of its own: its helpers end with it.
  const browser = spawn('chromium', args, { stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  const exited = once(browser, 'exit')
  t.teardown(async () => {
    if (browser.pid !== undefined && browser.exitCode === null)
      process.kill(-browser.pid, 'SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true, maxRetries: 10 })
  })
  const devtools = await connect(t, await addressOf(browser))
  const { targetInfos } = await devtools.send('Target.getTargets')
  const { targetId } = (targetInfos as { type: string; targetId: string }[]).find(
    ({ type }) => type === 'page',
  ) ?? { targetId: '' }
  const { sessionId } = await devtools.send('Target.attachToTarget', { targetId, flatten: true })
  const tell = (method: string, params: object = {}) =>
    devtools.send(method, params, String(sessionId))
  for (const domain of ['Network', 'Page', 'Runtime', 'Log']) await tell(`${domain}.enable`)
  await tell('Page.navigate', { url })
  return {
    async evaluate(expression) {
      const options = { returnByValue: true, awaitPromise: true }
      const { result } = await tell('Runtime.evaluate', { expression, ...options })
      return (result as { value?: unknown }).value
    },
    async look(width, scheme) {
      const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: false }
      await tell('Emulation.setDeviceMetricsOverride', metrics)
      const features = [{ name: 'prefers-color-scheme', value: scheme }]
      await tell('Emulation.setEmulatedMedia', { features })
    },
    async press(key) {
      const text = key === 'Enter' ? '\r' : key
      const down = { type: 'keyDown', key, ...KEYS[key], ...(key !== 'Tab' && { text }) }
      await tell('Input.dispatchKeyEvent', down)
      await tell('Input.dispatchKeyEvent', { type: 'keyUp', key, ...KEYS[key] })
    },
    async paste(text) {
      await tell('Input.insertText', { text })
    },
    requests: () =>
      devtools
        .heard('Network.requestWillBeSent')
        .map(({ request }) => (request as { url: string }).url),
    complaints: () => [
      ...devtools.heard('Runtime.exceptionThrown').map((event) => JSON.stringify(event)),
      ...devtools
        .heard('Log.entryAdded')
        .map(({ entry }) => entry as { level: string; text: string })
        .filter(({ level }) => level === 'error' || level === 'warning')
        .map(({ text }) => text),
    ],
    async screenshot() {
      const { data } = await tell('Page.captureScreenshot')
      return Buffer.from(String(data), 'base64')
    },
  }
}

/** It says on stderr where it listens. */
function addressOf(browser: ReturnType<typeof spawn>): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = ''
    const fail = () => reject(new Error(`chromium did not start: ${said}`))
    const timer = setTimeout(fail, DEADLINE_MS)
    browser.once('error', reject)
    browser.once('exit', fail)
    browser.stderr?.on('data', (text) => {
      said += text
      const address = /DevTools listening on (ws:\S+)/.exec(said)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      resolve(address)
    })
  })
}

type Members = Readonly<Record<string, unknown>>

async function connect(t: Teardown, address: string) {
  const socket = new WebSocket(address)
  t.teardown(() => socket.close())
  const waiting = new Map<number, PromiseWithResolvers<Members>>()
  const events: { readonly method: string; readonly params: Members }[] = []
  socket.addEventListener('message', ({ data }) => {
    const message = JSON.parse(String(data))
    if (message.id === undefined) events.push(message)
    else if (message.error) waiting.get(message.id)?.reject(new Error(message.error.message))
    else waiting.get(message.id)?.resolve(message.result)
  })
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', reject)
  })
  let id = 0
  return {
    heard: (method: string) =>
      events.filter((event) => event.method === method).map(({ params }) => params),
    send(method: string, params: object = {}, sessionId?: string): Promise<Members> {
      id += 1
      const answer = Promise.withResolvers<Members>()
      waiting.set(id, answer)
      socket.send(JSON.stringify({ id, method, params, ...(sessionId && { sessionId }) }))
      return answer.promise
    },
  }
}
