import type { Redis } from 'ioredis'
import type { Keys } from './keys.ts'
import { refusalOf } from './redis-refusals.ts'
import { waitForRedis } from './redis.ts'
import type { Script, ScriptArgument } from './scripts.ts'
import { isNoScript } from './scripts.ts'

export interface ReplicatedScriptsOptions {
  /** How many replicas must acknowledge the writes of a script, 1 to 5. */
  readonly replicas: number
  /** How long an answer waits for the replicas, in milliseconds; after that it is returned as not replicated. */
  readonly patienceMs: number
  /** Called with the reason, for people, when replicas stop acknowledging, and with undefined when they resume. */
  readonly onChange?: (problem: string | undefined) => void
}

export interface ReplicatedReply {
  /** As from `Script.runBuffer`. */
  readonly reply: unknown
  /** False: only the primary is known to have the writes, and a promoted replica may lack them. */
  readonly replicated: boolean
}

/** Replicas that do not lag answer within a round trip. One `WAIT` delays the commands behind it by this at most. */
const WAIT_MS = 500
/** How often replicas are checked while there is nothing to write. */
const CHECK_EVERY_MS = 2000
/** Between two rounds if Redis answered at once without the replicas, or refused a write. */
const PAUSE_MS = 100

interface Call {
  readonly script: Script
  readonly keys: readonly string[]
  readonly args: readonly ScriptArgument[]
  readonly resolve: (reply: ReplicatedReply) => void
  readonly reject: (error: unknown) => void
  /** Redis does not have the script of its hash. */
  byText: boolean
  /** The answer of the primary, the connection it came on, and until when it waits for replicas. */
  answer: { readonly reply: unknown; readonly connection: number; readonly untilMs: number } | undefined
}

type Reply = readonly [error: Error | null, value?: unknown]

/**
 * Runs scripts whose answers count only once a number of replicas have acknowledged their writes.
 *
 * `WAIT` covers the writes of its own connection. After a reconnect it covers nothing and answers at once, and a script
 * that is sent again there writes nothing, since our scripts are idempotent. So the script, a small write that always
 * happens, and `WAIT` are sent in one pipeline on one connection that never resends by itself. An answer that came on
 * an earlier connection is discarded and its script run again.
 *
 * `WAIT` blocks its connection, so this class has one of its own. Calls that arrive meanwhile are sent together in the
 * next round with one `WAIT`, so the distance of the replicas costs latency but no throughput.
 */
export class ReplicatedScripts {
  readonly #redis: Redis
  readonly #keys: Keys
  readonly #options: ReplicatedScriptsOptions
  readonly #timer: NodeJS.Timeout
  readonly #onClose = (): void => {
    this.#connection += 1
  }
  #calls: Call[] = []
  #connection = 0
  #problem: string | undefined = NOT_CHECKED
  #working = false
  #stopped = false

  /** @param redis from `connectLedger`, used by this object alone */
  constructor(redis: Redis, keys: Keys, options: ReplicatedScriptsOptions) {
    this.#redis = redis
    this.#keys = keys
    this.#options = options
    // `close` is emitted before any reconnect, so no two connections have the same number.
    redis.on('close', this.#onClose)
    this.#timer = setInterval(() => this.#wake(), CHECK_EVERY_MS)
    this.#wake()
  }

  /** Why nothing counts as replicated now, for people; undefined if all is well. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Rejects with the error of the script. Waits without a limit while Redis is away. */
  run(script: Script, keys: readonly string[], args: readonly ScriptArgument[]): Promise<ReplicatedReply> {
    if (this.#stopped) return Promise.reject(stopped())
    const { promise, resolve, reject } = Promise.withResolvers<ReplicatedReply>()
    this.#calls.push({ script, keys, args, resolve, reject, byText: false, answer: undefined })
    this.#wake()
    return promise
  }

  /** Rejects the calls that still wait. May be called twice. */
  stop(): void {
    this.#stopped = true
    clearInterval(this.#timer)
    this.#redis.off('close', this.#onClose)
    for (const { reject } of this.#calls.splice(0)) reject(stopped())
  }

  #wake(): void {
    if (this.#working || this.#stopped) return
    this.#working = true
    this.#work()
      // The connection was closed for good.
      .catch((error: unknown) => {
        for (const { reject } of this.#calls.splice(0)) reject(error)
      })
      .finally(() => {
        this.#working = false
      })
  }

  /** Rounds, one after the other, until no call waits. */
  async #work(): Promise<void> {
    do {
      await waitForRedis(this.#redis)
      const startedAtMs = performance.now()
      const isDone = await this.#round(this.#calls.splice(0))
      if (!isDone && performance.now() - startedAtMs < PAUSE_MS) await sleep()
    } while (this.#calls.length > 0 && !this.#stopped)
  }

  /** @returns whether Redis took every call and enough replicas acknowledged the writes */
  async #round(calls: readonly Call[]): Promise<boolean> {
    const connection = this.#connection
    const untilMs = performance.now() + this.#options.patienceMs
    for (const call of calls) if (call.answer?.connection !== connection) call.answer = undefined
    const unanswered = calls.filter(({ answer }) => answer === undefined)
    const replies = await this.#send(unanswered)
    const [waitError, acknowledged] = replies.at(-1) ?? noReply
    const isReplicated = waitError === null && Number(acknowledged) >= this.#options.replicas
    const refused = new Set(unanswered.filter((call, at) => !take(call, replies[at] ?? noReply, connection, untilMs)))
    for (const call of calls) if (!refused.has(call)) this.#settle(call, isReplicated)
    // A broken connection shows nothing about the replicas.
    if (waitError === null || isOfRedis(waitError))
      this.#report(isReplicated ? undefined : this.#reason(waitError, Number(acknowledged)))
    return isReplicated && calls.every((call) => call.answer !== undefined || refused.has(call))
  }

  async #send(calls: readonly Call[]): Promise<readonly Reply[]> {
    const pipeline = this.#redis.pipeline()
    for (const { script, keys, args, byText } of calls) {
      const [command, how] = byText ? (['EVAL', script.lua] as const) : (['EVALSHA', script.sha] as const)
      pipeline.callBuffer(command, how, keys.length, ...keys, ...args)
    }
    pipeline.set(this.#keys.replicated, '1').wait(this.#options.replicas, WAIT_MS)
    return (await pipeline.exec()) ?? []
  }

  #settle(call: Call, isReplicated: boolean): void {
    const { answer } = call
    if (answer !== undefined && (isReplicated || performance.now() > answer.untilMs))
      call.resolve({ reply: answer.reply, replicated: isReplicated })
    else if (this.#stopped) call.reject(stopped())
    else this.#calls.push(call)
  }

  #reason(error: Error | null, acknowledged: number): string {
    const { replicas } = this.#options
    const found = error?.message ?? `${acknowledged} of ${replicas} answered within ${WAIT_MS} ms`
    const setting = `WNS_FANOUT_DURABILITY=replicas:${replicas}`
    return `no replica acknowledges writes (${found}), and ${setting} requires that before posts`
  }

  #report(problem: string | undefined): void {
    const isChange = (problem === undefined) !== (this.#problem === undefined)
    // A good start is not reported.
    const isFirst = this.#problem === NOT_CHECKED
    this.#problem = problem
    if (isFirst ? problem !== undefined : isChange) this.#options.onChange?.(problem)
  }
}

const noReply: Reply = [new Error('Redis did not answer')]
const NOT_CHECKED = 'the replicas of Redis have not been checked yet'

/** Record the reply to a call; false if Redis rejected it, and with it the call. */
function take(call: Call, [error, reply]: Reply, connection: number, untilMs: number): boolean {
  if (error === null) call.answer = { reply, connection, untilMs }
  else if (isNoScript(error)) call.byText = true
  else if (isOfRedis(error) && refusalOf(error) === undefined) {
    call.reject(call.script.locate(error))
    return false
  }
  // Other errors, such as a broken connection or a Redis that refuses writes, are retried.
  return true
}

/** True for an error reply of Redis; other errors concern the connection. */
function isOfRedis(error: Error): boolean {
  return error.name === 'ReplyError'
}

function stopped(): Error {
  return new Error('the connection of the ledger was closed')
}

function sleep(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
