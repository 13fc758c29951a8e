import { Cluster } from 'ioredis'
import type { RedisConnection } from './redis.ts'
import { infoOfEach } from './redis-check.ts'

export interface PrimaryWatchOptions {
  /** Another primary answers now, or the same one after a restart; it may lack what the previous one acknowledged. */
  readonly onChange: () => void
  readonly onError: (error: unknown) => void
}

/**
 * Notices that another server answers on a connection: a replica was promoted, or Redis started again. It looks each
 * time that the connection is ready; in a cluster also each time that the slots have been read again.
 */
export class PrimaryWatch {
  readonly #connection: RedisConnection
  readonly #options: PrimaryWatchOptions
  readonly #onReady = (): void => void this.look().catch((error: unknown) => this.#options.onError(error))
  readonly #onClose = (): void => {
    this.#isConfirmed = false
  }
  #isConfirmed = false
  #primaries: string | undefined
  #changes = 0

  constructor(connection: RedisConnection, options: PrimaryWatchOptions) {
    this.#connection = connection
    this.#options = options
    connection.on('ready', this.#onReady).on('close', this.#onClose)
    if (connection instanceof Cluster) connection.on('refresh', this.#onReady)
    if (connection.status === 'ready') this.#onReady()
  }

  /** Times that another primary was noticed. */
  get changes(): number {
    return this.#changes
  }

  /** Resolves once it is known which primary answers on the present connection. */
  async confirmed(): Promise<void> {
    if (!this.#isConfirmed) await this.look()
  }

  /** Ask Redis which primary answers now. Resolves to `changes`. */
  async look(): Promise<number> {
    const infos = await infoOfEach(this.#connection)
    // A start gives a server another run id, a promotion another replication id.
    const ids = infos.map((info) => `${info.get('run_id')} ${info.get('master_replid')}`)
    const primaries = ids.toSorted().join(' ')
    const isChange = this.#primaries !== undefined && this.#primaries !== primaries
    this.#primaries = primaries
    this.#isConfirmed = true
    if (isChange) {
      this.#changes += 1
      this.#options.onChange()
    }
    return this.#changes
  }

  stop(): void {
    this.#connection.off('ready', this.#onReady).off('refresh', this.#onReady).off('close', this.#onClose)
  }
}
