import { expect, test } from 'vitest'
import { eventually, until } from '../src/index.ts'

test.each([undefined, false])('an answer of %s means "not yet"', async (notYet) => {
  const answers = [notYet, notYet, 'done']
  expect(await until('the answer', () => answers.shift() as string | undefined | false)).toBe('done')
  expect(answers).toEqual([])
})

test('0, an empty text and null are answers', async () => {
  expect(await until<number>('a number', () => 0)).toBe(0)
  expect(await until<string>('a text', () => '')).toBe('')
  expect(await until<null>('nothing', () => null)).toBeNull()
})

test('a wait that runs out names its condition', async () => {
  await expect(until('the worker to be ready', () => undefined, 1)).rejects.toThrow(
    'waited 1 ms in vain for: the worker to be ready',
  )
  await expect(until(() => false, 1)).rejects.toThrow('waited 1 ms in vain for: () => false')
})

test('an error of the question ends the wait', async () => {
  await expect(until('an answer', () => Promise.reject(new Error('broken')))).rejects.toThrow('broken')
})

test('under faults an error of the question is no answer yet, and the last one is the cause', async () => {
  let asked = 0
  const answer = await eventually('an answer', () => {
    asked += 1
    if (asked < 3) throw new Error('connection lost')
    return asked
  })
  expect(answer).toBe(3)
  const failed = eventually('an answer', () => Promise.reject(new Error('connection lost')), 1)
  await expect(failed).rejects.toMatchObject({
    message: 'waited 1 ms in vain for: an answer',
    cause: { message: 'connection lost' },
  })
})
