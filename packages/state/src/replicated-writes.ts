import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Keys } from './keys.ts'
import type { RedisConnection } from './redis.ts'

export interface ReplicatedWritesOptions {
  /** How many replicas must acknowledge the writes, 1 to 5. */
  readonly replicas: number
  /** How long they may take, in milliseconds. Default 2000. */
  readonly waitMs?: number
}

/** How long the mark of a process that ended stays. */
const MARK_SECONDS = 3600

/**
 * Whether replicas have what a connection wrote.
 *
 * `WAIT` blocks its connection, so another one waits. After a failover the two may be connected to different servers:
 * then `WAIT` of the one would prove nothing about the writes of the other. Therefore the connection that wrote writes
 * a mark too, and the other one reads it before it waits. A server that has the mark has everything that was written
 * before it, since replication keeps the order. Calls that arrive during a `WAIT` share the next one.
 */
export class ReplicatedWrites {
  readonly #writer: RedisConnection
  readonly #waiter: Redis
  readonly #mark: string
  readonly #options: Required<ReplicatedWritesOptions>
  #count = 0
  #next: Promise<boolean> | undefined
  #running: Promise<unknown> = Promise.resolve()

  /**
   * @param writer the connection whose writes are confirmed
   * @param waiter from `connectLedger`, used by this object alone
   */
  constructor(
    writer: RedisConnection,
    waiter: Redis,
    keys: Keys,
    { replicas, waitMs = 2000 }: ReplicatedWritesOptions,
  ) {
    this.#writer = writer
    this.#waiter = waiter
    this.#mark = keys.replicatedBy(randomUUID())
    this.#options = { replicas, waitMs }
  }

  /** Do the replicas have everything that the writer has written so far? Never rejects. */
  confirm(): Promise<boolean> {
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      const round = this.#round().catch(() => false)
      this.#running = round
      return round
    })
    return this.#next
  }

  async #round(): Promise<boolean> {
    this.#count += 1
    const mark = String(this.#count)
    await this.#writer.set(this.#mark, mark, 'EX', MARK_SECONDS)
    const { replicas, waitMs } = this.#options
    const pipeline = this.#waiter.pipeline().get(this.#mark).expire(this.#mark, MARK_SECONDS).wait(replicas, waitMs)
    const [found, , waited] = (await pipeline.exec()) ?? []
    return found?.[1] === mark && Number(waited?.[1]) >= replicas
  }
}
