import { spawn } from 'node:child_process'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { dieWithParent, freePort } from '@wns-fanout/local'
import { eventually } from '@wns-fanout/testing'
import { request } from 'undici'
import { stringify } from 'yaml'
import { folderOf } from './debian-programs.ts'

/** The folder with `prometheus` and `promtool`, or none: tests run for each. */
export async function prometheusFolders(): Promise<readonly string[]> {
  const folder = await folderOf('prometheus', 'prometheus')
  return folder === undefined ? [] : [folder]
}

export interface Labels {
  readonly [name: string]: string | undefined
}

export interface Series {
  readonly labels: Labels
  /** Pairs of a time in seconds and a value. */
  readonly values: readonly (readonly [number, number])[]
}

export interface FiringAlert {
  readonly name: string
  readonly labels: Labels
  readonly state: 'pending' | 'firing'
}

export interface Prometheus extends AsyncDisposable {
  readonly url: string
  /** Replaces the targets of the jobs `wns-fanout-api` and `wns-fanout-worker`, by their ops addresses. */
  scrape(targets: Targets): Promise<void>
  /** Values now. */
  query(expr: string): Promise<readonly Series[]>
  /** Values over time, in seconds. */
  queryRange(expr: string, range: { start: number; end: number; step: number }): Promise<readonly Series[]>
  alerts(): Promise<readonly FiringAlert[]>
}

export interface Targets {
  readonly api: readonly string[]
  readonly worker: readonly string[]
}

export interface StartPrometheusOptions {
  /** From `prometheusFolders`. */
  readonly folder: string
  /** For its data and configuration. */
  readonly dir: string
  /** Default 1: targets are scraped and rules evaluated this often. */
  readonly intervalSeconds?: number
  readonly ruleFiles?: readonly string[]
  /** Address of an Alertmanager, `host:port`. */
  readonly alertmanager?: string
}

/** A real Prometheus on a free port of the loopback that scrapes real processes; gone when disposed. */
export async function startPrometheus(options: StartPrometheusOptions): Promise<Prometheus> {
  const { folder, dir, intervalSeconds = 1, ruleFiles = [], alertmanager } = options
  await mkdir(dir, { recursive: true })
  const interval = `${intervalSeconds}s`
  const job = (name: string) => ({
    job_name: `wns-fanout-${name}`,
    file_sd_configs: [{ files: [`${dir}/${name}.json`] }],
  })
  const config = {
    global: { scrape_interval: interval, scrape_timeout: interval, evaluation_interval: interval },
    rule_files: ruleFiles,
    scrape_configs: [job('api'), job('worker')],
    ...(alertmanager === undefined
      ? {}
      : { alerting: { alertmanagers: [{ static_configs: [{ targets: [alertmanager] }] }] } }),
  }
  const scrape = async (targets: Targets): Promise<void> => {
    for (const [name, addresses] of Object.entries(targets)) {
      const content = [{ targets: (addresses as readonly string[]).map((address) => new URL(address).host) }]
      // Prometheus reads the file when it changes: it must never see half of it.
      await writeFile(join(dir, `${name}.draft`), JSON.stringify(content))
      await rename(join(dir, `${name}.draft`), join(dir, `${name}.json`))
    }
  }
  await scrape({ api: [], worker: [] })
  await writeFile(join(dir, 'prometheus.yaml'), stringify(config))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const guard = dieWithParent(join(folder, 'prometheus'), [
    `--config.file=${dir}/prometheus.yaml`,
    `--storage.tsdb.path=${dir}/data`,
    `--web.listen-address=127.0.0.1:${port}`,
    '--log.level=error',
  ])
  const server = spawn(guard.command, guard.args, { cwd: dir, stdio: 'ignore' })
  guard.watch(server)
  const ended = new Promise((resolve) => server.once('exit', resolve))
  const ask = async (path: string, parameters: Record<string, string> = {}): Promise<unknown> => {
    const { body } = await request(`${url}${path}`, { query: parameters })
    const answer = (await body.json()) as { status: string; error?: string; data: unknown }
    if (answer.status !== 'success')
      throw new Error(`Prometheus refuses ${JSON.stringify(parameters)}: ${answer.error}`)
    return answer.data
  }
  await eventually('Prometheus answers', async () => {
    const answer = await request(`${url}/-/ready`).catch(() => undefined)
    await answer?.body.dump()
    return answer?.statusCode === 200 ? true : undefined
  })
  return {
    url,
    scrape,
    query: async (expr) => seriesOf(await ask('/api/v1/query', { query: expr })),
    queryRange: async (expr, { start, end, step }) =>
      seriesOf(
        await ask('/api/v1/query_range', { query: expr, start: String(start), end: String(end), step: String(step) }),
      ),
    alerts: async () => {
      const { alerts } = (await ask('/api/v1/alerts')) as { alerts: { labels: Labels; state: FiringAlert['state'] }[] }
      return alerts.map(({ labels, state }) => ({ name: labels['alertname'] ?? '', labels, state }))
    },
    [Symbol.asyncDispose]: async () => {
      server.kill('SIGTERM')
      await ended
    },
  }
}

type Pair = readonly [number, string]

function seriesOf(data: unknown): readonly Series[] {
  const { resultType, result } = data as {
    resultType: string
    result: readonly { metric: Labels; value?: Pair; values?: readonly Pair[] }[] | Pair
  }
  if (resultType === 'scalar') return [{ labels: {}, values: [number(result as Pair)] }]
  return (result as readonly { metric: Labels; value?: Pair; values?: readonly Pair[] }[]).map((one) => ({
    labels: one.metric,
    values: (one.values ?? (one.value === undefined ? [] : [one.value])).map(number),
  }))
}

function number([at, value]: Pair): readonly [number, number] {
  return [at, Number(value)]
}
