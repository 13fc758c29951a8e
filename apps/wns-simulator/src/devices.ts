import { type Behavior, parseBehavior } from './behaviors.ts'

const MAX_DEVICES = 100_000

/** What devices do now, where it is not what their channel address asks for: they fall asleep and lose focus. */
export class Devices {
  readonly #byToken = new Map<string, Behavior>()

  /** From now on the channel behaves like this; null is as its address asks for. False for an unknown behavior. */
  set(token: string, word: string | null): boolean {
    if (word === null) {
      this.#byToken.delete(token)
      return true
    }
    const behavior = parseBehavior(word)
    if (behavior === undefined || (this.#byToken.size >= MAX_DEVICES && !this.#byToken.has(token))) return false
    this.#byToken.set(token, behavior)
    return true
  }

  of(token: string): Behavior | undefined {
    return this.#byToken.size === 0 ? undefined : this.#byToken.get(token)
  }

  clear(): void {
    this.#byToken.clear()
  }
}
