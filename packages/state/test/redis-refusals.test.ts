import { randomBytes } from 'node:crypto'
import type { RedisConnection } from '@wns-fanout/state'
import { Keys, closeRedis, connectRedis, redisStanding, refusalOf, writeProblem } from '@wns-fanout/state'
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

test.each([
  [
    'memory',
    { evalsha: async () => Promise.reject(new Error("OOM command not allowed when used memory > 'maxmemory'.")) },
  ],
  ['disk', { info: async () => 'redis_version:7.4.0\r\naof_last_write_status:err\r\n' }],
  ['refused', { evalsha: async () => Promise.reject(new Error('NOREPLICAS Not enough good replicas to write.')) }],
  ['rights', { ping: async () => Promise.reject(new Error('NOPERM User default has no permissions to run ping')) }],
  ['away', { info: async () => Promise.reject(new Error('Connection is closed.')) }],
])('the kind of the problem is %s', async (problem, changes) => {
  expect(await redisStanding(connection(changes), keys)).toMatchObject({ problem })
})

test('a Redis without an answer is away, and the use of its memory is not known', async () => {
  const silent = connection({ info: () => new Promise(() => {}) })
  expect(await redisStanding(silent, keys, { answerMs: 5 })).toEqual({ problem: 'away', memoryShare: undefined })
})

test('the use of memory is a share of maxmemory', async () => {
  const redis = connection({})
  await redis.ping()
  redis.info = async () => 'redis_version:7.4.0\r\nused_memory:90\r\nmaxmemory:100\r\n'
  expect(await redisStanding(redis, keys)).toEqual({ problem: undefined, memoryShare: 0.9 })
})
