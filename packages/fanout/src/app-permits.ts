import type { AppId } from '@wns-fanout/domain'
import type { PermitHandfulOptions, Permits, RateState } from '@wns-fanout/state'
import { PermitHandful } from '@wns-fanout/state'
import type { PermitSource } from './batch-run.ts'

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
