import { repeat, until } from '@wns-fanout/testing'
import { readFile } from 'node:fs/promises'
import { connectRedis, closeRedis, Keys } from '@wns-fanout/state'
import { Cluster } from 'ioredis'
import { request } from 'undici'
import { expect, onTestFinished, test } from 'vitest'
import { startTestStack } from '../support/stack.ts'
import { registerApp } from '../support/apps.ts'
import { finished } from '../support/campaigns.ts'
import { tile } from './support.ts'

/** The rules of the `ACL SETUSER` line in docs/security.md, for the prefix of the stack. */
async function documentedRights(): Promise<readonly string[]> {
  const page = await readFile(new URL('../../docs/security.md', import.meta.url), 'utf8')
  const [, rules = ''] = /^ACL SETUSER wns-fanout (.+)$/m.exec(page.replaceAll('\\\n', ' ')) ?? []
  expect(rules).toContain('~wf:*')
  return rules.replace('~wf:*', '~st:*').trim().split(/\s+/)
}

async function readiness(ops: string): Promise<{ status: number; text: string }> {
  const { statusCode, body } = await request(`${ops}/readyz`)
  return { status: statusCode, text: await body.text() }
}

test('API and worker need the documented rights, and name the ones that are taken away', async () => {
  await using stack = await startTestStack({ rights: await documentedRights() })
  const operator = connectRedis(stack.redisUrl, { role: 'worker' })
  onTestFinished(() => closeRedis(operator))
  if (operator instanceof Cluster) throw new Error('one server was expected')
  const worker = await stack.startWorker()
  await registerApp(stack, 'rights', repeat(30))
  await stack.api.putList('rights', 'some', ['d0', 'd1', 'stranger'])
  await stack.api.putSchedule('rights', 'daily', { cron: '0 8 * * *', timeZone: 'UTC', campaign: tile })
  const { id } = await stack.api.createCampaign('rights', tile)
  expect((await finished(stack, id)).totals.accepted).toBe(30)
  const sampled = await stack.api.createCampaign('rights', {
    ...tile,
    topic: 'other',
    audience: { list: 'some' },
    sample: { share: 0.9, seed: 'a' },
  })
  await finished(stack, sampled.id)
  expect(await operator.call('ACL', 'LOG')).toEqual([])

  await operator.acl('SETUSER', 'wns-fanout', '-hset')
  for (const ops of [stack.apiOps, worker.ops])
    await until('the missing right to be reported', async () => {
      const { status, text } = await readiness(ops)
      return status === 503 && /may not run HSET.*NOPERM.*docs\/security/.test(text) ? true : undefined
    })
  const refused = await registerApp(stack, 'half', repeat(1)).catch((error: unknown) => error)
  expect(refused).toMatchObject({ status: 503, code: 'unavailable', message: expect.stringContaining('NOPERM') })
  expect(await operator.exists(new Keys('st:').app('half'))).toBe(0)

  await operator.acl('SETUSER', 'wns-fanout', '+hset')
  await until('both to be ready again', async () =>
    (await Promise.all([readiness(stack.apiOps), readiness(worker.ops)])).every(({ status }) => status === 200)
      ? true
      : undefined,
  )
  await registerApp(stack, 'half', repeat(1))
})
