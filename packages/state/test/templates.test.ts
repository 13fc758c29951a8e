import type { TemplateName } from '@wns-fanout/domain'
import { MAX_TEMPLATES, Templates } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { NEWS, setup } from './support.ts'

const badge = { type: 'badge', value: 1 } as const

function named(n: number): TemplateName {
  return `t${n}` as TemplateName
}

test('an app with 200 templates may replace one of them, and may add one only after it deletes one', async () => {
  const { redis, keys } = setup()
  const templates = new Templates(redis, keys)
  for (let n = 0; n < MAX_TEMPLATES; n += 1) await templates.put(NEWS, named(n), badge)

  expect(await templates.put(NEWS, named(0), { ...badge, value: 2 })).toMatchObject({ notification: { value: 2 } })
  await expect(templates.put(NEWS, named(MAX_TEMPLATES), badge)).rejects.toMatchObject({
    code: 'conflict',
    message: 'an app must have at most 200 templates; delete one of app news first',
  })
  expect(await templates.list(NEWS)).toHaveLength(MAX_TEMPLATES)

  expect(await templates.delete(NEWS, named(1))).toBe(true)
  await templates.put(NEWS, named(MAX_TEMPLATES), badge)
  expect((await templates.list(NEWS)).map(({ template }) => template)).toContain(named(MAX_TEMPLATES))
})
