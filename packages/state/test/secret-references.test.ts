import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AppId } from '@wns-fanout/domain'
import { Problem } from '@wns-fanout/domain'
import { AppStore, SecretUnavailableError } from '@wns-fanout/state'
import { expect, test } from 'vitest'
import { start, store } from './secret-support.ts'
import { keyring, NEWS, setup } from './support.ts'

test('an app gets the secrets of its own folder and its own variables', async () => {
  const { apps, dir } = await start({ WNS_FANOUT_SECRET_NEWS_CLIENT: 'from-env' })
  const secretOf = async (ref: string) => {
    await apps.put(NEWS, store(ref))
    return (await apps.credentials(NEWS))?.clientSecret.reveal()
  }
  expect(await secretOf('file:client')).toBe('of-news')
  expect(await secretOf(`file:${dir}/news/client`)).toBe('of-news')
  expect(await secretOf('env:WNS_FANOUT_SECRET_NEWS_CLIENT')).toBe('from-env')
})

test('a secret that was rotated counts at the next use', async () => {
  const { apps, dir } = await start()
  await apps.put(NEWS, store('file:client'))
  expect((await apps.credentials(NEWS))?.clientSecret.reveal()).toBe('of-news')
  await writeFile(join(dir, 'news/client'), 'second')
  expect((await apps.credentials(NEWS))?.clientSecret.reveal()).toBe('second')
})

test.for([
  'file:/etc/passwd',
  'file:/proc/self/environ',
  'file:../shop/client',
  'file:../../keyring',
  'file:..',
  'file:.',
  'file:./',
  'file:x/../../shop/client',
  'env:OTHER_TENANT_SECRET',
  'env:REDIS_URL',
  'env:constructor',
  'env:__proto__',
  'env:WNS_FANOUT_SECRET_SHOP_CLIENT',
  'env:WNS_FANOUT_SECRET_NEWS',
  'env:WNS_FANOUT_SECRET_NEWS_',
  // Of the app news-eu.
  'env:WNS_FANOUT_SECRET_NEWS__EU_CLIENT',
])('an app may not refer to %s', async (ref) => {
  const { apps } = await start({ REDIS_URL: 'redis://x', WNS_FANOUT_SECRET_SHOP_CLIENT: 's' })
  for (const field of ['clientSecret', 'previousClientSecret'] as const) {
    const refused = await apps.put(NEWS, store(ref, field)).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(Problem)
    expect(refused).toMatchObject({
      code: 'invalid',
      inputErrors: [{ path: ['credentials', field, 'ref'], code: 'secret-reference' }],
    })
  }
  expect(await apps.get(NEWS)).toBeNull()
})

test('no variable belongs to two apps', async () => {
  const { apps } = await start()
  const names = ['news', 'news-', 'news-eu', 'news--eu', 'news-eu-', 'n', 'n-ews'] as AppId[]
  const variables = names.map((app) => `env:WNS_FANOUT_SECRET_${app.toUpperCase().replaceAll('-', '__')}_EU_X`)
  for (const [index, ref] of variables.entries()) {
    const owners: AppId[] = []
    for (const app of names)
      await apps.put(app, store(ref)).then(
        () => owners.push(app),
        () => {},
      )
    expect(owners).toEqual([names[index]])
  }
})

test('without a folder of secrets an app may refer to nothing', async () => {
  const { redis, keys } = setup()
  const apps = new AppStore(redis, keys, keyring(), { secrets: { env: { WNS_FANOUT_SECRET_NEWS_X: 's' } } })
  for (const ref of ['env:WNS_FANOUT_SECRET_NEWS_X', 'file:client'])
    await expect(apps.put(NEWS, store(ref))).rejects.toMatchObject({
      inputErrors: [{ detail: expect.stringContaining('WNS_FANOUT_SECRETS_DIR') }],
    })
})

test('the links of a mounted Secret are followed, but no link leads out of the folder of the app', async () => {
  const { apps, dir, root } = await start()
  await mkdir(join(dir, 'news/..2026'))
  await writeFile(join(dir, 'news/..2026/mounted'), 'behind-links')
  await symlink('..2026', join(dir, 'news/..data'))
  await symlink('..data/mounted', join(dir, 'news/mounted'))
  await apps.put(NEWS, store('file:mounted'))
  expect((await apps.credentials(NEWS))?.clientSecret.reveal()).toBe('behind-links')

  await symlink(join(root, 'keyring'), join(dir, 'news/out'))
  await symlink('../shop', join(dir, 'news/neighbor'))
  for (const ref of ['file:out', 'file:neighbor/client']) {
    await apps.put(NEWS, store(ref))
    await expect(apps.credentials(NEWS)).rejects.toThrow(SecretUnavailableError)
  }
})

test('every reference without a secret fails with the same message, and the cause has the reason', async () => {
  const { apps, dir } = await start({ WNS_FANOUT_SECRET_NEWS_EMPTY: ' ' })
  await writeFile(join(dir, 'news/large'), 'x'.repeat(20_000))
  await writeFile(join(dir, 'news/lines'), 'a\nb')
  await mkdir(join(dir, 'news/folder'))
  await symlink('/dev/zero', join(dir, 'news/device'))
  const refs = [
    ...['missing', 'large', 'lines', 'folder', 'device', 'client/x'].map((name) => `file:${name}`),
    ...['EMPTY', 'MISSING'].map((name) => `env:WNS_FANOUT_SECRET_NEWS_${name}`),
  ]
  const rest = 'where this process finds no secret; its log has the reason'
  for (const ref of refs) {
    await apps.put(NEWS, store(ref))
    const error: unknown = await apps.credentials(NEWS).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(SecretUnavailableError)
    expect(error).toMatchObject({
      code: 'secret-unavailable',
      message: `the clientSecret of app news refers to ${ref}, ${rest}`,
      cause: { message: expect.stringMatching(/./) },
    })
  }
})

test('a reference that was stored before it was forbidden is not read', async () => {
  const { redis, keys } = setup()
  const ring = keyring()
  const { dir } = await start()
  await new AppStore(redis, keys, ring, { secrets: { dir, env: {} } }).put(NEWS, store('file:client'))
  const off = new AppStore(redis, keys, ring)
  await expect(off.credentials(NEWS)).rejects.toThrow(SecretUnavailableError)
  await redis.hset(keys.app(NEWS), 'credentials', '{"kind":"store","clientSecret":7}')
  await expect(off.credentials(NEWS)).rejects.toMatchObject({ code: 'secret-unavailable' })
})
