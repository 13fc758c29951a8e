import { sleep } from '@wns-fanout/runtime'
import type { DataSet, Standing } from '@wns-fanout/state'

export interface DataWatchOptions {
  /** Prepares a data set before the API works on it; called for each one. */
  readonly begin: () => Promise<void>
  /** Called when data is lost, with the reason for people; without a reason once the loss is accepted. */
  readonly onChange: (problem: string | undefined) => void
}

const EVERY_MS = 500

/**
 * Looks at the data set as workers do, so that a loss is noticed and noted where no worker runs. While data is lost,
 * `problem` is set, and the API answers reads and writes nothing.
 */
export class DataWatch {
  readonly #dataSet: Pick<DataSet, 'look'>
  readonly #options: DataWatchOptions
  #dataSetId: string | undefined
  #problem: string | undefined
  #looking: Promise<string | undefined> | undefined

  constructor(dataSet: Pick<DataSet, 'look'>, options: DataWatchOptions) {
    this.#dataSet = dataSet
    this.#options = options
  }

  /** As of the last look. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** Look now; answers the problem, if there is one. Rejects when Redis does not answer. */
  look(): Promise<string | undefined> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  /** Look twice a second until `signal` is aborted. Never rejects: readiness reports that Redis is unavailable. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look().catch(() => {})
      await sleep(EVERY_MS, signal).catch(() => {})
    }
  }

  async #look(): Promise<string | undefined> {
    const standing: Standing = await this.#dataSet.look()
    const problem = standing.kind === 'lost' ? standing.problem : undefined
    if (standing.kind === 'well' && standing.dataSetId !== this.#dataSetId) {
      await this.#options.begin()
      this.#dataSetId = standing.dataSetId
    }
    const isNews = (problem === undefined) !== (this.#problem === undefined)
    this.#problem = problem
    if (isNews) this.#options.onChange(problem)
    return problem
  }
}
