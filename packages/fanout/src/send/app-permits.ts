import type { AppId } from '@wns-fanout/domain'
import type { PermitHandfulOptions, Permits, RateState } from '@wns-fanout/state'
import { PermitHandful } from '@wns-fanout/state'

/** The permits of one app in a process; times of grants are Redis time in milliseconds. */
export interface PermitSource {
  tryTake(): boolean
  onGranted(listener: () => void): () => void
  /** Of the permit taken last: when it was granted, when it lapses (`performance.now()`), and whether it is a probe. */
  readonly grantedAtMs: number
  readonly lapsesAtMs: number
  readonly probing: boolean
  /** Redis time until which the app has to rest, 0 when it may post. */
  readonly pausedUntilMs: number
  /** WNS told the app to slow down in its answer to a post permitted at `grantedAtMs`. */
  slowDown(grantedAtMs: number, retryAfterMs: number | undefined): void
  /** Any other answer to such a post; worth telling of a probe only. */
  answered(grantedAtMs: number): void
}

/** The permits of one app as the batches of a process share them: the handful, and until when the app rests. */
export class AppPermits implements PermitSource {
  readonly #handful: PermitHandful
  readonly #onError: (error: unknown) => void
  #pausedUntilMs = 0

  constructor(
    permits: Permits,
    app: AppId,
    options: PermitHandfulOptions & { readonly onError: (error: unknown) => void },
  ) {
    this.#onError = options.onError
    this.#handful = new PermitHandful(permits, app, {
      ...options,
      onRate: (state: RateState) => {
        this.#pausedUntilMs = state.pausedUntilMs ?? 0
        options.onRate?.(state)
      },
    })
  }

  tryTake(): boolean {
    return this.#handful.tryTake()
  }

  onGranted(listener: () => void): () => void {
    return this.#handful.onGranted(listener)
  }

  get grantedAtMs(): number {
    return this.#handful.grantedAtMs
  }

  get lapsesAtMs(): number {
    return this.#handful.lapsesAtMs
  }

  get probing(): boolean {
    return this.#handful.probing
  }

  get pausedUntilMs(): number {
    return this.#pausedUntilMs
  }

  slowDown(grantedAtMs: number, retryAfterMs: number | undefined): void {
    this.#handful.slowDown(grantedAtMs, retryAfterMs).catch(this.#onError)
  }

  answered(grantedAtMs: number): void {
    this.#handful.answered(grantedAtMs).catch(this.#onError)
  }

  stop(): void {
    this.#handful.stop()
  }
}
