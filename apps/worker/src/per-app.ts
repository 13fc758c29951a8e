import type { AppId } from '@wns-fanout/domain'

/** One of something for each app, made when it is first asked for. */
export class PerApp<V> {
  readonly #make: (app: AppId) => V
  readonly #made = new Map<AppId, V>()

  constructor(make: (app: AppId) => V) {
    this.#make = make
  }

  get(app: AppId): V {
    const known = this.#made.get(app)
    if (known !== undefined) return known
    const value = this.#make(app)
    this.#made.set(app, value)
    return value
  }

  /** Removes the value and returns it. */
  forget(app: AppId): V | undefined {
    const known = this.#made.get(app)
    this.#made.delete(app)
    return known
  }

  all(): readonly V[] {
    return [...this.#made.values()]
  }
}
