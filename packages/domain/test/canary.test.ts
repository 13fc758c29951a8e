import { canarySchema, inputErrorsOf } from '@wns-fanout/domain'
import { expect, test } from 'vitest'

test.each([
  [{ size: 300 }, []],
  [{ share: 0.01, approve: 'manual', failingClasses: ['dropped'], maxFailureShare: 0.2 }, []],
  [{}, ['size: a canary needs a size or a share']],
  [{ size: 1, share: 0.1 }, ['share: a canary has a size or a share, not both; remove one']],
  [{ share: 1 }, ['share: must be less than 1']],
  [{ size: 1, approve: 'later' }, ['approve: must be "manual"']],
  [
    { size: 0, failingClasses: ['accepted', 'lost'] },
    ['size: must be at least 1', 'failingClasses.0: must be one of', 'failingClasses.1: must be one of'],
  ],
])('a canary %j has the faults %j', (canary, faults) => {
  const { error } = canarySchema.safeParse(canary)
  const found = inputErrorsOf(error?.issues ?? [], canarySchema).map(
    ({ path, detail }) => `${path.join('.')}: ${detail}`,
  )
  expect(found).toHaveLength(faults.length)
  for (const [at, fault] of faults.entries()) expect(found[at]).toContain(fault)
})
