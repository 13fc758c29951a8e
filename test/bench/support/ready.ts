import { eventually } from '@wns-fanout/testing'
import { request } from 'undici'
import type { StackWorker } from '../../support/stack.ts'

/** Resolves when the worker reports that it is ready to send. */
export async function waitForReady({ ops }: StackWorker): Promise<void> {
  await eventually(
    'the worker to be ready',
    async () => {
      const { statusCode, body } = await request(`${ops}/readyz`)
      await body.dump()
      return statusCode === 200 ? true : undefined
    },
    30_000,
  )
}
