import type { AppId } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { PerApp } from '../src/per-app.ts'

const [news, mail] = ['news' as AppId, 'mail' as AppId]

test('each app has one value, which is made when it is first asked for', () => {
  const made: AppId[] = []
  const values = new PerApp((app) => made.push(app) && { app })
  expect(made).toEqual([])
  expect(values.get(news)).toBe(values.get(news))
  expect(values.get(mail)).not.toBe(values.get(news))
  expect(made).toEqual([news, mail])
  expect(values.all()).toEqual([{ app: news }, { app: mail }])
})

test('a value that was removed is returned once, and made again when it is asked for', () => {
  const values = new PerApp((app) => ({ app }))
  const first = values.get(news)
  expect(values.forget(news)).toBe(first)
  expect(values.forget(news)).toBeUndefined()
  expect(values.all()).toEqual([])
  expect(values.get(news)).not.toBe(first)
})
