import type { HostBreakers } from './host-breakers.ts'
import type { OutcomeBuffer } from './outcome-buffer.ts'
import type { Wait } from './park.ts'
import { noWait } from './park.ts'
import type { Recipients } from './recipients.ts'

export interface HostWaitsDeps {
  readonly hosts: HostBreakers
  readonly recipients: Recipients
  readonly buffer: OutcomeBuffer
  /** The origin of the URI of a recipient; undefined for a URI that must not be posted to. */
  readonly originOf: (position: number) => string | undefined
}

/**
 * Leaves the recipients of hosts that rest to a later open of the batch. The first recipient of a host takes all others
 * without credit along, so that no checkpoint asks for credit that cannot be used.
 */
export class HostWaits {
  readonly #deps: HostWaitsDeps
  readonly #left = new Set<string>()

  constructor(deps: HostWaitsDeps) {
    this.#deps = deps
  }

  /** Leave a recipient whose host rests. Waiting for a host costs no attempt. */
  leave(position: number): Wait {
    const { hosts, recipients, buffer, originOf } = this.#deps
    recipients.putOff(position)
    const origin = originOf(position)
    if (origin === undefined || this.#left.has(origin)) return noWait
    this.#left.add(origin)
    recipients.leaveUncredited((other) => originOf(other) === origin)
    buffer.waits('host-resting')
    return { delayMs: hosts.turnMs(origin), reason: 'host-resting' }
  }
}
