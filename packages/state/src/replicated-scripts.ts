import type { Redis } from 'ioredis'
import type { Keys } from './keys.ts'
import { waitForRedis } from './redis.ts'
import type { Script, ScriptArgument } from './scripts.ts'
import { isNoScript } from './scripts.ts'

export interface ReplicatedScriptsOptions {
  /** How many replicas must have what a script wrote, 1 to 5. */
  readonly replicas: number
  /** How long an answer is held back for the replicas, in milliseconds; then it is given as not replicated. */
  readonly patienceMs: number
  /** Told when replicas fall silent (with the reason, for people), and when they answer again. */
  readonly onChange?: (problem: string | undefined) => void
}

export interface ReplicatedReply {
  /** As `Script.runBuffer` answers. */
  readonly reply: unknown
  /** False: the primary has written it, and whoever is promoted in its place may not know of it. */
  readonly replicated: boolean
}

/** Replicas answer within a round trip, or they lag; one `WAIT` holds up everything behind it for so long at the most. */
const WAIT_MS = 500
/** How often replicas are asked while nobody wants anything written. */
const ASK_EVERY_MS = 2000
/** Between two rounds where Redis answered at once that it cannot. */
const PAUSE_MS = 100

interface Call {
  readonly script: Script
  readonly keys: readonly string[]
  readonly args: readonly ScriptArgument[]
  readonly resolve: (reply: ReplicatedReply) => void
  readonly reject: (error: unknown) => void
  /** Redis does not know the script by its hash. */
  byText: boolean
  /** What the primary answered, on which of our connections, and until when its replicas are waited for. */
  answer: { readonly reply: unknown; readonly connection: number; readonly untilMs: number } | undefined
}

type Reply = readonly [error: Error | null, value?: unknown]

/**
 * Runs scripts whose answers count only once a number of replicas have what they wrote.
 *
 * `WAIT` speaks of the writes of its own connection. After a reconnect it has nothing to speak of and answers at once;
 * and a script that is sent again there writes nothing, since our scripts are idempotent. So the script, a small write
 * that always happens, and `WAIT` go out in one pipeline on one connection that never sends anything a second time by
 * itself; and an answer that came on an earlier connection is forgotten, and its script run again.
 *
 * `WAIT` blocks its connection, hence one of our own. Whatever is asked for meanwhile goes out together in the next
 * round with one `WAIT` for all, so the distance of the replicas costs time and no throughput.
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
  #problem: string | undefined = NOT_ASKED
  #working = false
  #stopped = false

  /** @param redis of `connectLedger`; nobody else may use it */
  constructor(redis: Redis, keys: Keys, options: ReplicatedScriptsOptions) {
    this.#redis = redis
    this.#keys = keys
    this.#options = options
    // It comes before any reconnect, so no two connections have the same number.
    redis.on('close', this.#onClose)
    this.#timer = setInterval(() => this.#wake(), ASK_EVERY_MS)
    this.#wake()
  }

  /** Why nothing counts as replicated now, for people; undefined when all is well. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Rejects with what Redis refused the script for. Waits as long as Redis itself is away. */
  run(script: Script, keys: readonly string[], args: readonly ScriptArgument[]): Promise<ReplicatedReply> {
    if (this.#stopped) return Promise.reject(stopped())
    const { promise, resolve, reject } = Promise.withResolvers<ReplicatedReply>()
    this.#calls.push({ script, keys, args, resolve, reject, byText: false, answer: undefined })
    this.#wake()
    return promise
  }

  /** Rejects what is still waited for. May be called twice. */
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

  /** One round after the other until nobody waits. */
  async #work(): Promise<void> {
    do {
      await waitForRedis(this.#redis)
      const startedAtMs = performance.now()
      const isReplicated = await this.#round(this.#calls.splice(0))
      if (!isReplicated && performance.now() - startedAtMs < PAUSE_MS) await sleep()
    } while (this.#calls.length > 0 && !this.#stopped)
  }

  /** Did enough replicas acknowledge what there was to write? */
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
    // A connection that broke says nothing about the replicas.
    if (waitError === null || isOfRedis(waitError))
      this.#tell(isReplicated ? undefined : this.#reason(waitError, Number(acknowledged)))
    return isReplicated
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
    return `no replica acknowledges writes (${found}), and WNS_FANOUT_DURABILITY=replicas:${replicas} wants that before anything is sent`
  }

  #tell(problem: string | undefined): void {
    const isNews = (problem === undefined) !== (this.#problem === undefined)
    // That all is well in the beginning is none.
    const isFirst = this.#problem === NOT_ASKED
    this.#problem = problem
    if (isFirst ? problem !== undefined : isNews) this.#options.onChange?.(problem)
  }
}

const noReply: Reply = [new Error('Redis did not answer')]
const NOT_ASKED = 'the replicas of Redis were not asked yet'

/** Note what came of a call; false if Redis refused it, and that is what its caller gets. */
function take(call: Call, [error, reply]: Reply, connection: number, untilMs: number): boolean {
  if (error === null) call.answer = { reply, connection, untilMs }
  else if (isNoScript(error)) call.byText = true
  else if (isOfRedis(error) && !error.message.startsWith('READONLY')) {
    call.reject(call.script.locate(error))
    return false
  }
  // What else there is, a connection that broke or a primary that is none any more, is for the next connection.
  return true
}

/** Redis said so itself; everything else is about the connection. */
function isOfRedis(error: Error): boolean {
  return error.name === 'ReplyError'
}

function stopped(): Error {
  return new Error('the connection of the ledger was closed')
}

function sleep(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
}
