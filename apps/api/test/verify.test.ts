import type { Verification } from '@wns-fanout/domain'
import { Secret } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { askedLately } from '../src/verify.ts'

const credentials = { kind: 'store', packageSid: 'S-1-15-2-1', clientSecret: new Secret('one') } as const

test('the judgment of credentials is remembered for a minute', async () => {
  let nowMs = 0
  let asked = 0
  const verify = askedLately(
    async () => {
      asked += 1
      return { ok: true, code: 'ok', explanation: String(asked), expiresInSeconds: 3600 }
    },
    () => nowMs,
  )
  const explanationAt = async (ms: number) => {
    nowMs = ms
    return (await verify(credentials)).explanation
  }
  expect(await explanationAt(0)).toBe('1')
  expect(await explanationAt(59_999)).toBe('1')
  expect(await explanationAt(60_000)).toBe('2')
})

test('credentials that differ in a secret alone are judged each for themselves', async () => {
  const judged: string[] = []
  const verify = askedLately(async ({ clientSecret }) => {
    judged.push(clientSecret.reveal())
    return { ok: true, code: 'ok', explanation: '', expiresInSeconds: 3600 }
  })
  await verify(credentials)
  await verify({ ...credentials, clientSecret: new Secret('two') })
  await verify({ ...credentials, previousClientSecret: new Secret('zero') })
  await verify(credentials)
  expect(judged).toEqual(['one', 'two', 'one'])
})

test('a request that failed is not remembered', async () => {
  const answers: (() => Promise<Verification>)[] = [
    () => Promise.reject(new Error('the connection broke')),
    async () => ({ ok: false, code: 'invalid_client', explanation: 'Check the secret.' }),
  ]
  const verify = askedLately(() => answers.shift()!())
  await expect(verify(credentials)).rejects.toThrow('the connection broke')
  expect(await verify(credentials)).toMatchObject({ code: 'invalid_client' })
})
