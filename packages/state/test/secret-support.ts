import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AppRequest } from '@wns-fanout/domain'
import { AppStore } from '@wns-fanout/state'
import { onTestFinished } from 'vitest'
import { keyring, setup } from './support.ts'

export function store(ref: string, field: 'clientSecret' | 'previousClientSecret' = 'clientSecret'): AppRequest {
  return { credentials: { kind: 'store', packageSid: 'S-1-15-2-1', clientSecret: 'given', [field]: { ref } } }
}

/** A folder of secrets with one of `news` and one of `shop`, beside a file of the process. */
export async function start(env: Record<string, string> = {}) {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'secrets-')))
  onTestFinished(() => rm(root, { recursive: true }))
  const dir = join(root, 'secrets')
  await mkdir(join(dir, 'news'), { recursive: true })
  await mkdir(join(dir, 'shop'))
  await writeFile(join(dir, 'news/client'), 'of-news\n')
  await writeFile(join(dir, 'shop/client'), 'of-shop')
  await writeFile(join(root, 'keyring'), 'k1 key')
  const { redis, keys } = setup()
  return { root, dir, apps: new AppStore(redis, keys, keyring(), { secrets: { dir, env } }) }
}
