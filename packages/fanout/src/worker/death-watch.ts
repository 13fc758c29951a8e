import type { AppId, FanoutEvent } from '@wns-fanout/domain'
import type { AppStore, DeadWorker, Leader, WorkerRegister } from '@wns-fanout/state'
import type { CrashPoints } from '../crash-points.ts'
import type { Queues } from './queues.ts'

export interface DeathWatchDeps extends CrashPoints {
  readonly register: Pick<WorkerRegister, 'look' | 'claim' | 'forget'>
  readonly leader: Pick<Leader, 'depose'>
  readonly apps: Pick<AppStore, 'list'>
  readonly queues: Pick<Queues, 'releaseJobsOf'>
  readonly emit: (event: FanoutEvent) => void
}

/**
 * Gives the jobs of a dead worker to the others, which otherwise get them when its locks lapse. A job moves only if the
 * lock is still the dead worker's, and the ledger fences every earlier owner, so a wrong judgment costs what every
 * takeover costs: the posts under way may be repeated or in doubt.
 */
export class DeathWatch {
  readonly #deps: DeathWatchDeps

  constructor(deps: DeathWatchDeps) {
    this.#deps = deps
  }

  async look(): Promise<void> {
    const { register } = this.#deps
    for (const dead of await register.look()) if (await register.claim(dead)) await this.#bury(dead)
  }

  async #bury(dead: DeadWorker): Promise<void> {
    const { register, leader, apps, queues, emit, reached } = this.#deps
    reached?.('death-claimed')
    await leader.depose(dead.id)
    const served: readonly AppId[] = await apps.list()
    const jobs = await queues.releaseJobsOf(dead.id, served)
    reached?.('jobs-released')
    await register.forget(dead)
    emit({ type: 'worker.died', worker: dead.id, jobs })
  }
}
