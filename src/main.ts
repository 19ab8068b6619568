/** The commands. */
import { readFileSync } from 'node:fs'
import { ConfigError } from './config/config-error.ts'

interface Command {
  readonly summary: string
  run(): Promise<void>
}

const COMMANDS: Readonly<Record<string, Command>> = {
  serve: {
    summary: 'run the service (the default)',
    run: async () => {
      const { serve } = await import('./serve.ts')
      await serve(process.env, packageVersion())
    },
  },
  keygen: {
    summary: 'print a new sealing key for VALETKEY_KEYRING',
    run: async () => {
      const { generateKeyring } = await import('./crypto/keyring.ts')
      process.stdout.write(`${generateKeyring(Date.now()).reveal()}\n`)
    },
  },
}

/** sysexits.h: the command was used incorrectly; the configuration is wrong. */
const EX_USAGE = 64
const EX_CONFIG = 78

function packageVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

function usage(): string {
  const rows = Object.entries(COMMANDS).map(
    ([name, { summary }]) => `  ${name.padEnd(8)} ${summary}`,
  )
  return ['usage: valetkey [command]', '', ...rows, ''].join('\n')
}

const [name = 'serve', ...surplus] = process.argv.slice(2)
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
if (command && surplus.length === 0) {
  try {
    await command.run()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const mistake of error.mistakes) process.stderr.write(`valetkey: ${mistake}\n`)
    process.exitCode = EX_CONFIG
  }
} else {
  process.stderr.write(usage())
  process.exitCode = ['help', '--help', '-h'].includes(name) ? 0 : EX_USAGE
}
