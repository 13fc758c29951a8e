import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { SecretUnavailableError } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { start, store } from './secret-support.ts'
import { NEWS } from './support.ts'

test('a named pipe is no secret, and reading it does not block', async () => {
  const { apps, dir } = await start()
  execFileSync('mkfifo', [join(dir, 'news/pipe')])
  await apps.put(NEWS, store('file:pipe'))
  await expect(apps.credentials(NEWS)).rejects.toThrow(SecretUnavailableError)
})
