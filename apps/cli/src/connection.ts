import type { Client, ClientOptions } from '@wns-fanout/client'
import { createClient } from '@wns-fanout/client'
import { parseSecret } from '@wns-fanout/domain'
import type { Context } from './context.ts'
import { Failure, UsageError } from './failure.ts'
import { readRunningStack } from './stack/stack-file.ts'

export interface Connection {
  readonly url: string
  readonly apiKey: string
  /** Where it was found, for messages. */
  readonly from: string
}

/**
 * The API to talk to: WNS_FANOUT_URL with WNS_FANOUT_API_KEY, else the stack that runs in this folder.
 * Throws a `Failure` that explains how to configure or start one.
 */
export async function findApi({ folder }: Context, env: NodeJS.ProcessEnv = process.env): Promise<Connection> {
  const url = env['WNS_FANOUT_URL'] ?? ''
  const apiKey = apiKeyIn(env)
  if (url !== '') {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new Failure('bad-url', `WNS_FANOUT_URL must be a URL such as http://127.0.0.1:8080; found "${url}"`)
    if (apiKey === '')
      throw new Failure(
        'no-api-key',
        'WNS_FANOUT_URL is set, but WNS_FANOUT_API_KEY is not; set it to an API key. ' +
          'Create one with "wns-fanout keys create", the first one with "wns-fanout keys bootstrap"',
      )
    return { url: url.replace(/\/+$/, '').replace(/\/v1$/, ''), apiKey, from: 'WNS_FANOUT_URL' }
  }
  try {
    const stack = await readRunningStack(folder)
    return { url: stack.api, apiKey: apiKey === '' ? stack.apiKey : apiKey, from: folder.stackFile }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(
      error.code,
      `no API found: ${error.message}, or set WNS_FANOUT_URL and WNS_FANOUT_API_KEY to use another API`,
      { cause: error },
    )
  }
}

/** The key in the environment, or '' when there is none. A file with a final line end is often its source. */
function apiKeyIn(env: NodeJS.ProcessEnv): string {
  const text = env['WNS_FANOUT_API_KEY'] ?? ''
  if (text.trim() === '') return ''
  const parsed = parseSecret(text)
  if (!parsed.ok) throw new Failure('bad-api-key', `WNS_FANOUT_API_KEY is no API key: ${parsed.detail}`)
  return parsed.secret
}

export interface RedisPlace {
  /** Environment for a process that connects to it. */
  readonly env: Readonly<Record<string, string>>
  /** Where it was found, for messages. */
  readonly from: string
}

/**
 * The Redis of the installation: REDIS_URL with WNS_FANOUT_PREFIX, else that of the stack that runs in this folder.
 * Throws a `Failure` that explains how to configure one.
 */
export async function findRedis({ folder }: Context, env: NodeJS.ProcessEnv = process.env): Promise<RedisPlace> {
  // Child processes inherit both.
  if ((env['REDIS_URL'] ?? '') !== '') return { env: {}, from: 'REDIS_URL' }
  const elsewhere = 'set REDIS_URL (and WNS_FANOUT_PREFIX, if it is not the default) to the values of the API'
  if ((env['WNS_FANOUT_URL'] ?? '') !== '')
    throw new Failure('no-redis-url', `this command connects to Redis, but only WNS_FANOUT_URL is set; ${elsewhere}`)
  try {
    const stack = await readRunningStack(folder)
    return { env: { ...stack.env, REDIS_URL: stack.redis }, from: folder.stackFile }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(error.code, `no Redis found: ${error.message}, or ${elsewhere}`, { cause: error })
  }
}

/** Runs `act` with a client of the API and closes its connections afterwards. */
export async function withApi<T>(context: Context, act: (api: Client) => Promise<T>): Promise<T> {
  const { url, apiKey } = await findApi(context)
  const api = createClient({ url, apiKey, ...proxyOf() })
  try {
    return await act(api)
  } finally {
    await api.close()
  }
}

/** The proxy to an API behind `https:`, as other command line tools read it. */
export function proxyOf(env: NodeJS.ProcessEnv = process.env): Pick<ClientOptions, 'httpsProxy' | 'noProxy'> {
  return {
    httpsProxy: env['HTTPS_PROXY'] || env['https_proxy'] || undefined,
    noProxy: env['NO_PROXY'] || env['no_proxy'] || undefined,
  }
}

/** The URL of a database, given as such or as `env:NAME`. Throws `UsageError` for a variable that is not set. */
export function databaseUrl(from: string, env: NodeJS.ProcessEnv = process.env): string {
  if (!from.startsWith('env:')) return from
  const url = env[from.slice('env:'.length)] ?? ''
  if (url === '') throw new UsageError(`--from names the variable ${from.slice('env:'.length)}, which is not set`)
  return url
}
