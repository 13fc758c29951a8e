import { repeat } from '@wns-fanout/testing'
import { expect, test } from 'vitest'
import { registerApp } from '../support/apps.ts'
import { parse, runCli, startCliStack } from './support.ts'

test('a cleanup shows the channels that have not registered for long, and removes them', async () => {
  await using stack = await startCliStack(['--workers', '0'])
  const cli = async (args: readonly string[], input = '') => await runCli(args, { cwd: stack.folder.path, input })

  await registerApp(stack, 'aged', repeat(2, 'ok'))
  const lines = [400, 100].map((days) => {
    const registeredAt = new Date(Date.now() - days * 86_400_000).toISOString()
    return JSON.stringify({
      channel: `old-${days}`,
      uri: `https://db5p.notify.windows.com/?token=ok.any.aged-${days}`,
      registeredAt,
    })
  })
  expect((await cli(['channels', 'import', '-', '--app', 'aged'], lines.join('\n'))).code).toBe(0)
  const options = ['channels', 'cleanup', '--app', 'aged', '--older-than', '90d']
  const shown = await cli([...options, '--dry-run'])
  expect(shown.stdout).toContain('2 of 4 channels have not registered since')
  expect(shown.stdout).toMatch(/^old-400 +20/m)
  const refused = await cli(options)
  expect(refused).toMatchObject({ code: 1, stdout: '' })
  expect(refused.stderr).toContain('maxShare')
  const done = await cli([...options, '--max-share', '50%', '--json'])
  expect(parse(done.stdout)).toMatchObject({ registered: 4, matched: 2, removed: 2 })
  const { stdout } = await cli(['channels', 'count', '--app', 'aged', '--registered-before', '90d', '--json'])
  expect(parse(stdout)).toMatchObject({ count: 0 })
})
