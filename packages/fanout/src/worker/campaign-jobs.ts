import type { Job } from 'bullmq'
import { launch } from '../campaign/launch.ts'
import type { LaunchDeps } from '../campaign/launch.ts'
import { plan } from '../plan/plan.ts'
import type { ReconcileDeps } from '../recover/reconcile.ts'
import { reconcile } from '../recover/reconcile.ts'
import { sweep } from '../recover/sweep.ts'
import { putOff } from './jobs.ts'
import type { CampaignJob } from './queues.ts'
import type { UnusableLedgers } from './unusable-ledgers.ts'
import { OTHER_VERSION_MS } from './unusable-ledgers.ts'

export interface CampaignJobsDeps {
  readonly launch: LaunchDeps
  readonly reconcile: ReconcileDeps
  readonly ledgers: UnusableLedgers
  /** Is the data of the process lost, so that no job may run? */
  readonly isDataLost: () => boolean
  /** Milliseconds after which a job is tried again while data is lost. */
  readonly retryMs: number
}

/** Runs the jobs of the queue `campaigns`: each concerns one campaign as a whole. */
export class CampaignJobs {
  readonly #deps: CampaignJobsDeps

  constructor(deps: CampaignJobsDeps) {
    this.#deps = deps
  }

  async run(job: Job<CampaignJob>, token: string | undefined): Promise<void> {
    const { app, campaign } = job.data
    // The job was fetched just before the queue was paused.
    if (this.#deps.isDataLost()) return putOff(job, this.#deps.retryMs, token)
    try {
      await this.#dispatch(job, token)
    } catch (error) {
      const found = await this.#deps.ledgers.giveUp(app, campaign, error)
      if (found === 'other-version') await putOff(job, OTHER_VERSION_MS, token)
    }
  }

  async #dispatch(job: Job<CampaignJob>, token: string | undefined): Promise<void> {
    const { app, campaign } = job.data
    const deps = this.#deps
    switch (job.name) {
      case 'launch': {
        const { waitMs } = await launch(deps.launch, app, campaign)
        if (waitMs !== undefined) await putOff(job, waitMs, token)
        return
      }
      case 'plan':
        return plan(deps.launch, app, campaign)
      case 'sweep':
        return sweep(deps.reconcile, app, campaign)
      case 'reconcile':
        return reconcile(deps.reconcile, app, campaign)
      default:
        throw new Error(`job must be launch, plan, sweep or reconcile; found ${job.name}`)
    }
  }
}
