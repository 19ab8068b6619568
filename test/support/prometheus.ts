/** A real Prometheus on loopback, with its data in a folder of its own; it ends with the test. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { endWithThisProcess } from './children.ts'
import { eventually } from './eventually.ts'
import { freePort } from './redis.ts'

export interface Prometheus {
  /** The series that a query gives now. Throws what Prometheus says against it. */
  query(expr: string): Promise<readonly Sample[]>
  alerts(): Promise<readonly Alert[]>
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface Alert {
  readonly state: 'pending' | 'firing'
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface PrometheusOptions {
  /** Ports on loopback, by the instance that they are called. */
  readonly targets: Readonly<Record<string, number>>
  readonly job: string
  /** The text of a file of rules. */
  readonly rules: string
  /** Between two scrapes, and between two looks at the rules. */
  readonly intervalMs: number
}

interface Teardown {
  teardown(end: () => unknown): void
}

export async function startPrometheus(
  t: Teardown,
  options: PrometheusOptions,
): Promise<Prometheus> {
  const { targets, job, rules, intervalMs } = options
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-prometheus-'))
  const interval = `${intervalMs}ms`
  await writeFile(join(folder, 'rules.yaml'), rules)
  await writeFile(
    join(folder, 'prometheus.yaml'),
    stringify({
      global: {
        scrape_interval: interval,
        evaluation_interval: interval,
        scrape_timeout: interval,
      },
      rule_files: ['rules.yaml'],
      scrape_configs: [
        {
          job_name: job,
          static_configs: Object.entries(targets).map(([instance, port]) => ({
            targets: [`127.0.0.1:${port}`],
            labels: { instance },
          })),
        },
      ],
    }),
  )
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${join(folder, 'prometheus.yaml')}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  endWithThisProcess(child)
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const exited = once(child, 'exit')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await exited
    await rm(folder, { recursive: true, force: true })
  })
  const url = `http://127.0.0.1:${port}`
  await eventually(async () => {
    if (child.exitCode !== null) throw new Error(`prometheus ended: ${said}`)
    const answer = await fetch(`${url}/-/ready`).catch(() => undefined)
    await answer?.body?.cancel()
    return answer?.status === 200
  })

  const ask = async <Data>(path: string, form: Readonly<Record<string, string>> = {}) => {
    const answer = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(form)}`)
    const { data, error } = (await answer.json()) as { data: Data; error?: string }
    if (error !== undefined) throw new Error(`${JSON.stringify(form)}: ${error}`)
    return data
  }

  return {
    async query(expr) {
      const { resultType, result } = await ask<Result>('query', { query: expr })
      if (resultType !== 'vector') throw new Error(`${expr}: gives a ${resultType}`)
      return result.map(({ metric, value }) => ({ labels: metric, value: Number(value[1]) }))
    },
    async alerts() {
      return (await ask<{ alerts: readonly Alert[] }>('alerts')).alerts
    },
  }
}

interface Result {
  readonly resultType: string
  readonly result: readonly {
    readonly metric: Readonly<Record<string, string>>
    readonly value: readonly [number, string]
  }[]
}
