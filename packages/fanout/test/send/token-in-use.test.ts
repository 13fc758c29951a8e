import { expect, test } from 'vitest'
import { TokenInUse } from '../../src/send/token-in-use.ts'
import { TokenTrust } from '../../src/send/token-trust.ts'

/** A source of tokens whose requests end when the test lets them. */
function setup(first: string | undefined) {
  const state = { token: first, waitMs: 60_000, requests: [] as string[], done: 0, failed: [] as unknown[] }
  const pending: PromiseWithResolvers<void>[] = []
  const ask = (name: string): Promise<void> => {
    state.requests.push(name)
    const next = Promise.withResolvers<void>()
    pending.push(next)
    return next.promise
  }
  const trust = new TokenTrust()
  const errors: unknown[] = []
  const token = new TokenInUse({
    source: {
      current: () => state.token,
      fetch: () => ask('fetch'),
      renew: async (refused) => {
        await ask(`renew ${refused}`)
        return state.waitMs
      },
    },
    trust,
    onDone: () => (state.done += 1),
    onFailed: (error) => state.failed.push(error),
    onError: (error) => errors.push(error),
  })
  const settle = async (end: 'resolve' | 'reject'): Promise<void> => {
    const request = pending.shift()
    if (end === 'resolve') request?.resolve()
    else request?.reject(new Error('refused'))
    await new Promise(setImmediate)
  }
  return { state, token, trust, errors, settle }
}

test('the token of the source is the one to post with', () => {
  const { token, state } = setup('a')
  expect(token.current()).toBe('a')
  state.token = undefined
  expect(token.current()).toBeUndefined()
})

test('one request at a time is under way, and its end is reported', async () => {
  const { token, state, settle } = setup(undefined)
  token.fetch()
  token.fetch()
  expect(state.requests).toEqual(['fetch'])
  await settle('resolve')
  expect(state.done).toBe(1)
  token.fetch()
  expect(state.requests).toEqual(['fetch', 'fetch'])
})

test('a token that is being renewed is not posted with, another one is', async () => {
  const { token, state, trust, settle } = setup('a')
  token.renew('a')
  expect(token.current()).toBeUndefined()
  state.token = 'b'
  expect(token.current()).toBe('b')
  await settle('resolve')
  expect(trust.isNewest('b', performance.now())).toBe(true)
  expect(trust.isNewest('a', performance.now())).toBe(false)
})

test('a token that was kept is the newest one for the time that is left', async () => {
  const { token, state, trust, settle } = setup('a')
  state.waitMs = 5000
  token.renew('a')
  await settle('resolve')
  expect(token.current()).toBe('a')
  expect(trust.isNewest('a', performance.now())).toBe(true)
  expect(trust.isNewest('a', performance.now() + 5000)).toBe(false)
})

test('a token that another batch had renewed is not renewed again', () => {
  const { token, state } = setup('b')
  token.renew('a')
  expect(state.requests).toEqual([])
})

test('a refusal is reported, and the batch may ask again', async () => {
  const { token, state, settle } = setup('a')
  token.renew('a')
  await settle('reject')
  expect([state.failed.length, state.done]).toEqual([1, 1])
  expect(token.current()).toBe('a')
})

test('a refresh gets a token where there is none, and renews it', async () => {
  const { token, state, settle } = setup(undefined)
  token.refresh()
  state.token = 'a'
  await settle('resolve')
  expect(token.current()).toBeUndefined()
  expect(state.requests).toEqual(['fetch', 'renew a'])
  await settle('resolve')
  expect(token.current()).toBe('a')
})

test('a refresh that gets no token ends there', async () => {
  const { token, state, settle } = setup(undefined)
  token.refresh()
  await settle('resolve')
  expect([state.requests, state.done]).toEqual([['fetch'], 1])
})
