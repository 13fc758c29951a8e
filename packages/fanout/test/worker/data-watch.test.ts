import type { FanoutEvent } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { DataWatch } from '../../src/worker/data-watch.ts'

type Standing = Awaited<ReturnType<ConstructorParameters<typeof DataWatch>[0]['dataSet']['look']>>

function setup(...standings: readonly Standing[]) {
  const events: FanoutEvent[] = []
  const changes: string[] = []
  const left = [...standings]
  const watch = new DataWatch({
    dataSet: { look: async () => left.shift() ?? { kind: 'lost', problem: 'none left' } },
    emit: (event) => events.push(event),
    onChange: (dataSetId) => changes.push(dataSetId),
  })
  return { watch, events, changes }
}

const one = { kind: 'well', dataSetId: 'one' } as const
const two = { kind: 'well', dataSetId: 'two' } as const
const lost = { kind: 'lost', problem: 'the data is gone' } as const

test('the data set that a process finds first is the one it works on', async () => {
  const { watch, events, changes } = setup(one, one)
  expect([await watch.look(), await watch.look()]).toEqual([true, true])
  expect([changes, events, watch.problem]).toEqual([['one'], [], undefined])
})

test('a loss is reported once, and its end', async () => {
  const { watch, events, changes } = setup(one, lost, lost, one)
  await watch.look()
  expect([await watch.look(), watch.problem]).toEqual([false, 'the data is gone'])
  await watch.look()
  expect([await watch.look(), watch.problem]).toEqual([true, undefined])
  expect(events).toEqual([{ type: 'data-set.changed', problem: 'the data is gone' }, { type: 'data-set.changed' }])
  expect(changes).toEqual(['one'])
})

test('another data set whose loss was accepted makes the process forget what it knew', async () => {
  const { watch, changes } = setup(one, lost, two)
  for (let look = 0; look < 3; look += 1) await watch.look()
  expect(changes).toEqual(['one', 'two'])
})
