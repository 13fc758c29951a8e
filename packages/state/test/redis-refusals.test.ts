import { randomBytes } from 'node:crypto'
import type { RedisConnection } from '@wns-fanout/state'
import { Keys, closeRedis, connectRedis, refusalOf, writeProblem } from '@wns-fanout/state'
import { expect, inject, onTestFinished, test } from 'vitest'

const keys = new Keys(`t-${randomBytes(6).toString('hex')}:`)

test.each([
  ['MISCONF Errors writing to the AOF file: No space left on device', 'MISCONF', 'free space on its disk'],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'OOM', 'raise it, or remove data'],
  ["READONLY You can't write against a read only replica.", 'READONLY', 'connect to the primary'],
  ['NOREPLICAS Not enough good replicas to write.', 'NOREPLICAS', 'min-replicas-to-write'],
  ['LOADING Redis is loading the dataset in memory', 'LOADING', 'loads its data'],
  ['CLUSTERDOWN The cluster is down', 'CLUSTERDOWN', 'its cluster is down'],
])('"%s" is reported as a refusal with what to do', (message, word, advice) => {
  expect(refusalOf(new Error(message))).toContain(`Redis rejects writes (${word})`)
  expect(refusalOf(new Error(message))).toContain(advice)
})

test('any other error is no refusal', () => {
  expect(refusalOf(new Error('Connection is closed.'))).toBeUndefined()
  expect(refusalOf(new Error('ERR unknown command OOM'))).toBeUndefined()
})

/** A connection to the real Redis of which one call fails, or answers otherwise. */
function connection(changes: Readonly<Record<string, unknown>>): RedisConnection {
  const redis = connectRedis(inject('redisUrl'), { role: 'worker' })
  onTestFinished(() => closeRedis(redis))
  return Object.assign(redis, changes)
}

test('a Redis that takes writes has no problem', async () => {
  expect(await writeProblem(connection({}), keys)).toBeUndefined()
})

test('a full disk is reported although Redis then refuses the writes that probe the rights', async () => {
  const redis = connection({
    info: async () => 'redis_version:7.4.0\r\naof_last_write_status:err\r\n',
    evalsha: async () => Promise.reject(new Error('MISCONF Errors writing to the AOF file')),
  })
  expect(await writeProblem(redis, keys)).toContain('cannot write its append-only file')
})

test('a Redis at maxmemory is reported', async () => {
  const redis = connection({
    evalsha: async () => Promise.reject(new Error("OOM command not allowed when used memory > 'maxmemory'.")),
  })
  expect(await writeProblem(redis, keys)).toContain('Redis rejects writes (OOM)')
})
