import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { closeRedis, connectRedis, missingRights } from '@wns-fanout/state'
import { expect, inject, onTestFinished, test } from 'vitest'
import { probedCommands } from '../src/rights.ts'
import { keysOf, setup } from './support.ts'

const ALL = '+@read +@write +@scripting +@connection +@blocking +time +info +wait'

/** A connection of a user with these rights on the keys of the test. */
async function userWith(rules: string, keyPattern?: string) {
  const { redis: admin, keys } = setup()
  if (!('acl' in admin)) throw new Error('one server was expected')
  const [user, password] = [`u${randomBytes(4).toString('hex')}`, randomBytes(16).toString('hex')]
  const pattern = keyPattern ?? `~${keys.prefix}*`
  await admin.acl('SETUSER', user, 'on', `>${password}`, pattern, 'resetchannels', '-@all', ...rules.split(' '))
  const { port } = new URL(inject('redisUrl'))
  const redis = connectRedis(`redis://${user}:${password}@127.0.0.1:${port}`, { role: 'worker' })
  onTestFinished(async () => {
    await closeRedis(redis)
    await admin.acl('DELUSER', user)
  })
  return { redis, keys, admin }
}

test('a user with the rights lacks none, and the check leaves nothing behind', async () => {
  const { redis, keys, admin } = await userWith(ALL)
  expect(await missingRights(redis, keys)).toBeUndefined()
  expect(await keysOf({ redis: admin, keys })).toEqual([])
})

test.each([
  ['-hset', /may not run HSET \(NOPERM\)/],
  ['-hset -setbit', /may not run HSET, SETBIT /],
  ['-eval -evalsha', /may not run EVALSHA /],
  ['-info', /may not run INFO /],
  ['-bzpopmin', /may not run BZPOPMIN /],
  ['-wait', /may not run WAIT /],
])('a user with %s is reported with its name', async (rule, reason) => {
  const { redis, keys } = await userWith(`${ALL} ${rule}`)
  expect(await missingRights(redis, keys)).toMatch(reason)
})

test('a user of another prefix is reported with the prefix that is needed', async () => {
  const { redis, keys } = await userWith(ALL, '~elsewhere:*')
  expect(await missingRights(redis, keys)).toContain(`may not use keys that begin with "${keys.prefix}"`)
})

test('every command of our scripts and our code is probed', () => {
  const folder = new URL('../lua/', import.meta.url)
  const scripts = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.lua'))
  const called = scripts.flatMap((name) =>
    [...readFileSync(new URL(name, folder), 'utf8').matchAll(/\bp?call\('([A-Z]+)'/g)].map(
      ([, command = '']) => command,
    ),
  )
  const probed = new Set(probedCommands.map((text) => text.split(' ', 1)[0]))
  expect(new Set(called).size).toBeGreaterThan(25)
  expect([...new Set(called)].filter((command) => !probed.has(command))).toEqual([])
})
