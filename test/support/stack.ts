import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Client } from '@wns-fanout/client'
import { createClient } from '@wns-fanout/client'
import type { Child, Exit, LocalRedis } from '@wns-fanout/local'
import { type LogEntry, type TcpProxy, logEntries, startTcpProxy } from '@wns-fanout/testing'
import { Redis } from 'ioredis'
import { request } from 'undici'
import { ensureKeyringFile, findRedis, startChild, startRedis, temporaryFolder } from '@wns-fanout/local'

/** A whole system of real programs, all of them children of this process. */
export interface TestStack {
  readonly redisUrl: string
  readonly redisPid: number
  readonly apiPid: number
  /** Between API and workers and their Redis, where `proxied`. */
  readonly proxy: TcpProxy | undefined
  readonly simulator: { readonly address: string; readonly caFile: string; readonly control: string }
  readonly api: Client
  /** What `api` was made of, for another client. */
  readonly apiAccess: { readonly url: string; readonly apiKey: string }
  /** The ops port of the API. */
  readonly apiOps: string
  /** What the API has written, standard error included. */
  readonly apiLogFile: string
  /** Environment of a process that is to work with this stack. */
  readonly env: Readonly<Record<string, string>>
  startWorker(extra?: Readonly<Record<string, string>>): Promise<StackWorker>
  /** Ask the simulator's control port; answers its JSON, or undefined where it has none. */
  control(method: 'GET' | 'PUT' | 'POST', path: string, body?: unknown): Promise<unknown>
  [Symbol.asyncDispose](): Promise<void>
}

export interface StackWorker {
  readonly pid: number
  readonly ops: string
  /** What it has written, standard error included. */
  readonly logFile: string
  /** The entries of its log so far. */
  log(): Promise<LogEntry[]>
  stop(): Promise<Exit>
}

function root(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}

export interface TestStackOptions {
  /** Redis is a cluster of one node, which refuses what a cluster refuses. */
  readonly cluster?: boolean
  /** Rules of `ACL SETUSER` for the user of API and workers; the default user is then off. */
  readonly rights?: readonly string[]
  /** More environment of the API. */
  readonly apiEnv?: Readonly<Record<string, string>>
  /** API and workers reach Redis through a proxy. */
  readonly proxied?: boolean
  /** A Redis that runs already and is stopped with the stack, in place of a new one. */
  readonly redis?: Pick<LocalRedis, 'url' | 'port' | 'pid' | 'stop'>
}

/** Redis (AOF as in production), simulator and API in a temporary folder; everything is gone when it is disposed of. */
export async function startTestStack({
  cluster = false,
  rights,
  proxied = false,
  redis: given,
  apiEnv: moreOfApi = {},
}: TestStackOptions = {}): Promise<TestStack> {
  const folder = await temporaryFolder('wns-fanout-stack-')
  const redis =
    given ??
    (await startRedis({
      redis: await findRedis({ cacheDir: root('.cache') }),
      dir: join(folder.path, 'redis'),
      persistence: 'aof',
      ...(cluster ? { extraArgs: ['--cluster-enabled', 'yes', '--cluster-announce-ip', '127.0.0.1'] } : {}),
    }))
  if (cluster) await giveAllSlots(redis.url)
  const urls = rights === undefined ? undefined : await limitRights(redis.url, rights)
  const redisUrl = urls?.operator ?? (cluster ? redis.url.replace('redis://', 'redis+cluster://') : redis.url)
  const proxy = proxied ? await startTcpProxy(redis.port) : undefined
  const seenUrl = redisUrl.replace(`:${redis.port}`, `:${proxy?.port ?? redis.port}`)
  const children: Child[] = []
  const start = async (
    name: string,
    script: string,
    env: Record<string, string>,
    args: string[] = [],
  ): Promise<Child> => {
    const child = await startChild({
      name,
      script: root(script),
      args,
      env: { ...process.env, ...env },
      logFile: join(folder.path, `${name}.log`),
      // Entries of the audit log are lines of JSON too.
      readyLine: (line) => typeof line === 'object' && line !== null && !('audit' in line),
    })
    children.push(child)
    await child.ready
    return child
  }
  const simulator = (await (
    await start('simulator', 'apps/wns-simulator/src/main.ts', {}, [
      '--ca-file',
      join(folder.path, 'ca.pem'),
      '--exit-with-stdin',
    ])
  ).ready) as { host: string; port: number; caFile: string; control: string }
  const keyring = join(folder.path, 'keyring')
  await ensureKeyringFile(keyring)
  const keyFile = join(folder.path, 'api-key')
  const env = {
    REDIS_URL: urls?.user ?? seenUrl,
    WNS_FANOUT_PREFIX: 'st:',
    WNS_FANOUT_KEYRING_FILE: keyring,
    WNS_ROUTE_TO: `${simulator.host}:${simulator.port}`,
    WNS_CA_FILE: simulator.caFile,
    OPS_PORT: '0',
    WNS_FANOUT_SCRAPE_CACHE_MS: '0',
    // As in the images.
    NODE_OPTIONS: '--disable-proto=throw',
    LOG_LEVEL: 'warn',
  }
  const apiEnv = { ...env, PORT: '0', WNS_FANOUT_BOOTSTRAP_KEY_FILE: keyFile, ...moreOfApi }
  const apiChild = await start('api', 'apps/api/src/main.ts', apiEnv)
  const ready = (await apiChild.ready) as { api: string; ops: string }
  const apiAccess = { url: ready.api, apiKey: (await readFile(keyFile, 'utf8')).trim() }
  const api = createClient(apiAccess)
  let workers = 0
  return {
    redisUrl,
    redisPid: redis.pid,
    apiPid: apiChild.pid,
    proxy,
    simulator: { address: env.WNS_ROUTE_TO, caFile: env.WNS_CA_FILE, control: simulator.control },
    api,
    apiAccess,
    apiOps: ready.ops,
    apiLogFile: join(folder.path, 'api.log'),
    env,
    async startWorker(extra = {}) {
      workers += 1
      const name = `worker-${workers}`
      const child = await start(name, 'apps/worker/src/main.ts', { ...env, ...extra })
      const { ops } = (await child.ready) as { ops: string }
      return {
        pid: child.pid,
        ops,
        logFile: join(folder.path, `${name}.log`),
        log: async () => logEntries(await readFile(join(folder.path, `${name}.log`), 'utf8')),
        stop: () => child.stop(),
      }
    },
    async control(method, path, body) {
      const answer = await request(`${simulator.control}${path}`, {
        method,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      })
      const text = await answer.body.text()
      if (answer.statusCode >= 300) throw new Error(`${method} ${path} of the simulator: ${answer.statusCode} ${text}`)
      return text === '' ? undefined : (JSON.parse(text) as unknown)
    },
    async [Symbol.asyncDispose]() {
      for (const child of children.toReversed()) await child.stop()
      await proxy?.close()
      await redis.stop()
      await folder.remove()
    },
  }
}

/** A user of these rights and an operator who may do everything; no other user can log in. */
async function limitRights(url: string, rights: readonly string[]): Promise<{ user: string; operator: string }> {
  const { host } = new URL(url)
  const connection = new Redis(url)
  await connection.acl('SETUSER', 'operator', 'on', '>operator', '~*', '&*', '+@all')
  await connection.acl('SETUSER', 'wns-fanout', ...rights)
  await connection.acl('SETUSER', 'default', 'off')
  await connection.quit()
  return { user: `redis://wns-fanout:PASSWORD@${host}`, operator: `redis://operator:operator@${host}` }
}

/** A new node of a cluster serves nothing before it has the slots. */
async function giveAllSlots(url: string): Promise<void> {
  const connection = new Redis(url)
  await connection.cluster('ADDSLOTSRANGE', 0, 16_383)
  await connection.quit()
}
