import type { AppId } from '@wns-fanout/domain'
import type { TokenPool } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { tokenSource } from '../src/app-tokens.ts'

test('the token of an app comes from the pool that all workers share', async () => {
  const calls: unknown[][] = []
  const pool = {
    peek: (app: AppId) => `token of ${app}`,
    get: async (...args: unknown[]) => {
      calls.push(['get', ...args])
      return { token: 't', id: 'i' }
    },
    renew: async (...args: unknown[]) => {
      calls.push(['renew', ...args])
      return 42
    },
  } as unknown as TokenPool
  const source = tokenSource(pool, 'news' as AppId)
  expect(source.current()).toBe('token of news')
  await source.fetch()
  expect(await source.renew('old')).toBe(42)
  expect(calls).toEqual([
    ['get', 'news'],
    ['renew', 'news', 'old'],
  ])
})
