import type { Client } from '@wns-fanout/client'
import { createClient } from '@wns-fanout/client'
import type { Context } from './context.ts'
import { Failure } from './failure.ts'
import { readRunningStack } from './stack/stack-file.ts'

export interface Connection {
  readonly url: string
  readonly apiKey: string
  /** Where it was found, for people. */
  readonly from: string
}

/**
 * The API to talk to: WNS_FANOUT_URL with WNS_FANOUT_API_KEY, else the stack that runs in this folder.
 * Throws a `Failure` that says how to give or start one.
 */
export async function findApi({ folder }: Context, env: NodeJS.ProcessEnv = process.env): Promise<Connection> {
  const url = env['WNS_FANOUT_URL'] ?? ''
  const apiKey = env['WNS_FANOUT_API_KEY'] ?? ''
  if (url !== '') {
    if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
      throw new Failure('bad-url', `WNS_FANOUT_URL must be a URL such as http://127.0.0.1:8080, found "${url}"`)
    if (apiKey === '')
      throw new Failure(
        'no-api-key',
        'WNS_FANOUT_URL is set, but WNS_FANOUT_API_KEY is not; set it to a key made with "wns-fanout keys create" (the first one: "keys bootstrap")',
      )
    return { url: url.replace(/\/+$/, ''), apiKey, from: 'WNS_FANOUT_URL' }
  }
  try {
    const stack = await readRunningStack(folder)
    return { url: stack.api, apiKey: apiKey === '' ? stack.apiKey : apiKey, from: folder.stackFile }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(
      error.code,
      `no API is known here: ${error.message}. Or set WNS_FANOUT_URL and WNS_FANOUT_API_KEY to use one elsewhere`,
      { cause: error },
    )
  }
}

export interface RedisPlace {
  /** What a process of ours needs to find it. */
  readonly env: Readonly<Record<string, string>>
  /** Where it was found, for people. */
  readonly from: string
}

/**
 * The Redis of the installation: REDIS_URL with WNS_FANOUT_PREFIX, else that of the stack that runs in this folder.
 * Throws a `Failure` that says how to give one.
 */
export async function findRedis({ folder }: Context, env: NodeJS.ProcessEnv = process.env): Promise<RedisPlace> {
  // A process inherits both from us.
  if ((env['REDIS_URL'] ?? '') !== '') return { env: {}, from: 'REDIS_URL' }
  const elsewhere = 'set REDIS_URL (and WNS_FANOUT_PREFIX, if it is not the default) to what the API has'
  if ((env['WNS_FANOUT_URL'] ?? '') !== '')
    throw new Failure('no-redis-url', `WNS_FANOUT_URL names an API, but this needs its Redis; ${elsewhere}`)
  try {
    const stack = await readRunningStack(folder)
    return { env: { ...stack.env, REDIS_URL: stack.redis }, from: folder.stackFile }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    throw new Failure(error.code, `no Redis is known here: ${error.message}. Or ${elsewhere}`, { cause: error })
  }
}

/** Runs `act` with a client of that API and closes its connections afterwards. */
export async function withApi<T>(context: Context, act: (api: Client) => Promise<T>): Promise<T> {
  const { url, apiKey } = await findApi(context)
  const api = createClient({ url, apiKey })
  try {
    return await act(api)
  } finally {
    await api.close()
  }
}
