import type { Client } from '@wns-fanout/client'
import { isAlive } from '@wns-fanout/local'
import { allOf } from '../all-of.ts'
import type { Connection } from '../connection.ts'
import type { Context } from '../context.ts'
import { Failure } from '../failure.ts'
import { getText } from '../http.ts'
import { explain } from '../explain.ts'
import { checkGauges } from './gauges.ts'
import { readRunningStack, type RunningStack } from '../stack/stack-file.ts'
import { formatCount, formatRate } from '../terminal/format.ts'

export interface Check {
  readonly state: 'ok' | 'warn' | 'fail'
  readonly what: string
  readonly found: string
  /** What to do about it. */
  readonly todo?: string
}

/** Whether a stack runs in this folder with all of its processes. */
export async function checkStack({ folder }: Context): Promise<{ checks: readonly Check[]; running?: RunningStack }> {
  let running: RunningStack
  try {
    running = await readRunningStack(folder)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    // Without a stack here the API may run elsewhere, which the next check shows.
    if (error.code === 'stack-missing')
      return {
        checks: [
          {
            state: 'warn',
            what: 'stack',
            found: 'none in this folder',
            todo: 'start one with "pnpm start", or set WNS_FANOUT_URL and WNS_FANOUT_API_KEY to use another API',
          },
        ],
      }
    return { checks: [{ state: 'fail', what: 'stack', found: error.message }] }
  }
  const { pids, simulator } = running
  const parts: readonly (readonly [name: string, pid: number | null])[] = [
    ['api', pids.api],
    ['redis', pids.redis],
    ['simulator', pids.simulator],
    ...pids.workers.map((pid, index) => [`worker ${index + 1}`, pid] as const),
  ]
  const dead = parts.filter(([, pid]) => pid !== null && !isAlive(pid))
  const checks: Check[] = [
    dead.length === 0
      ? {
          state: 'ok',
          what: 'stack',
          found: `runs in ${folder.path} (process ${pids.main}) with ${pids.workers.length} ${pids.workers.length === 1 ? 'worker' : 'workers'}`,
        }
      : {
          state: 'fail',
          what: 'stack',
          found: `${dead.map(([name, pid]) => `${name} (process ${pid})`).join(', ')} does not run`,
          todo: `see ${folder.logFile('*')}; crashed workers restart after a second, unless --no-restart was given`,
        },
  ]
  if (pids.workers.length === 0)
    checks.push({ state: 'warn', what: 'workers', found: 'none, so nothing is sent', todo: 'run "pnpm start-worker"' })
  if (simulator !== null)
    checks.push({
      state: 'warn',
      what: 'simulator',
      found: 'notifications go to a simulator on this machine, not to WNS',
      todo: 'start without --simulate to reach devices',
    })
  return { checks, running }
}

/** Whether every process of the stack is ready, and if not, why. */
export async function checkOps({ ops }: RunningStack): Promise<readonly Check[]> {
  const parts = [['API', ops.api] as const, ...ops.workers.map((url, index) => [`worker ${index + 1}`, url] as const)]
  const ready = parts.map(async ([name, url]) => await checkReady(`${name} ready`, url))
  return (await Promise.all([...ready, checkGauges(ops.api)])).flat()
}

async function checkReady(what: string, ops: string): Promise<Check> {
  try {
    const { status, text } = await getText(`${ops}/readyz`)
    if (status === 200) return { state: 'ok', what, found: `${ops}/readyz answers 200` }
    const problems = problemsIn(text)
    return {
      state: 'fail',
      what,
      found: problems,
      todo:
        problems.includes('data-set') || problems.includes('data set')
          ? 'restore Redis from a backup; if there is none, accept the loss: wns-fanout doctor --accept-loss'
          : problems.includes('NOPERM')
            ? 'give the Redis user the rights of docs/security.md (ACL SETUSER); no restart is needed'
            : 'check that Redis is reachable, persistent and never evicts keys; see the log of this process',
    }
  } catch (error) {
    return {
      state: 'fail',
      what,
      found: `${ops}/readyz: ${explain(error).message}`,
      todo: 'the process hangs or has ended; see its log',
    }
  }
}

/** The problems in an answer of `/readyz`, or the beginning of an unknown answer. */
function problemsIn(text: string): string {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null && 'problems' in body && Array.isArray(body.problems))
      return body.problems.map(String).join('; ')
  } catch {
    // Not JSON: shown as text.
  }
  return text.trim().slice(0, 300)
}

/** Whether the API answers and accepts the API key. */
export async function checkApi(api: Client, { url, from }: Connection): Promise<Check> {
  try {
    const apps = (await allOf(api.apps())).length
    return {
      state: 'ok',
      what: 'API',
      found: `${url} (from ${from}) answers; the key sees ${apps} ${apps === 1 ? 'app' : 'apps'}`,
    }
  } catch (error) {
    const { code, message } = explain(error)
    return {
      state: 'fail',
      what: 'API',
      found: `${url} (from ${from}): ${message}`,
      todo:
        code === 'unauthenticated'
          ? 'set WNS_FANOUT_API_KEY to a valid key'
          : code === 'unavailable'
            ? 'the API cannot use its Redis; fix the problem above'
            : 'check that the API runs and is reachable from this machine',
    }
  }
}

/** Whether the app can send now. */
export async function checkApp(api: Client, id: string): Promise<readonly Check[]> {
  try {
    const app = await api.app(id)
    const verified = await api.verifyApp(id)
    return [
      verified.ok
        ? { state: 'ok', what: `credentials of ${id}`, found: verified.explanation }
        : {
            state: 'fail',
            what: `credentials of ${id}`,
            found: `${verified.explanation} (${verified.code})`,
            todo: `fix them with "wns-fanout app put ${id}"`,
          },
      app.state === 'active'
        ? {
            state: 'ok',
            what: `app ${id}`,
            found: `active, ${formatCount(app.channels)} ${app.channels === 1 ? 'channel' : 'channels'}, ${formatRate(app.effectiveRatePerSecond)}`,
          }
        : {
            state: 'warn',
            what: `app ${id}`,
            found: 'paused, so its campaigns wait',
            todo: `wns-fanout app resume ${id}`,
          },
      ...(app.channels === 0
        ? [
            {
              state: 'warn',
              what: `channels of ${id}`,
              found: 'none',
              todo: 'wns-fanout channels import --help',
            } as const,
          ]
        : []),
      ...(app.throttledUntil === undefined
        ? []
        : [
            {
              state: 'warn',
              what: `rate of ${id}`,
              found: `throttled by WNS until ${app.throttledUntil}`,
            } as const,
          ]),
      ...(app.breaker === undefined
        ? []
        : [
            {
              state: 'fail',
              what: `breaker of ${id}`,
              found: `open since ${app.breaker.since}: ${app.breaker.reason}`,
              todo: 'it is retried once a minute; see "Breaker open" in docs/operations.md',
            } as const,
          ]),
    ]
  } catch (error) {
    return [{ state: 'fail', what: `app ${id}`, found: explain(error).message }]
  }
}

/** Whether the channel is registered. */
export async function checkChannel(api: Client, app: string, id: string): Promise<Check> {
  const what = `channel ${id}`
  try {
    const channel = await api.channel(app, id)
    return { state: 'ok', what, found: `registered ${channel.registeredAt}, tags ${channel.tags.join(', ') || 'none'}` }
  } catch (error) {
    const { code, message } = explain(error)
    return {
      state: 'fail',
      what,
      found: message,
      ...(code === 'not-found'
        ? {
            todo: 'the app on the device must register again; the channel was never registered, or has expired',
          }
        : {}),
    }
  }
}
