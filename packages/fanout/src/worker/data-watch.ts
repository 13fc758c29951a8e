import type { FanoutEvent } from '@wns-fanout/domain'
import type { DataSet } from '@wns-fanout/state'

export interface DataWatchDeps {
  readonly dataSet: Pick<DataSet, 'look'>
  readonly emit: (event: FanoutEvent) => void
  /** The data set is another one than before: nothing that is known of apps and campaigns holds for it. */
  readonly onChange: (dataSetId: string) => void
}

/** Watches whether Redis holds the data set that the process works on. While it does not, nothing may be sent. */
export class DataWatch {
  readonly #deps: DataWatchDeps
  #dataSetId: string | undefined
  #problem: string | undefined

  constructor(deps: DataWatchDeps) {
    this.#deps = deps
  }

  /** Why nothing may be sent; undefined when all is well. */
  get problem(): string | undefined {
    return this.#problem
  }

  /** @returns true when the data is there, or its loss was accepted */
  async look(): Promise<boolean> {
    const found = await this.#deps.dataSet.look()
    if (found.kind === 'lost') {
      if (this.#problem === undefined) this.#deps.emit({ type: 'data-set.changed', problem: found.problem })
      this.#problem = found.problem
      return false
    }
    if (found.dataSetId !== this.#dataSetId) this.#deps.onChange(found.dataSetId)
    this.#dataSetId = found.dataSetId
    if (this.#problem !== undefined) this.#deps.emit({ type: 'data-set.changed' })
    this.#problem = undefined
    return true
  }
}
