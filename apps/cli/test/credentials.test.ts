import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '@wns-fanout/local'
import { expect, test } from 'vitest'
import { UsageError } from '../src/failure.ts'
import { credentialsOf } from '../src/input/credentials.ts'

test('a secret is read from a file without its line end', async () => {
  await using folder = await temporaryFolder()
  const clientSecretFile = join(folder.path, 'secret')
  await writeFile(clientSecretFile, 's3cret with spaces \r\n')
  expect(await credentialsOf({ kind: 'store', packageSid: 'S-1-15-2-1', clientSecretFile })).toEqual({
    kind: 'store',
    packageSid: 'S-1-15-2-1',
    clientSecret: 's3cret with spaces',
  })
  await writeFile(clientSecretFile, 'two\nlines\n')
  await expect(credentialsOf({ kind: 'store', clientSecretFile })).rejects.toThrow(/several lines/)
  await writeFile(clientSecretFile, '\n')
  await expect(credentialsOf({ kind: 'store', clientSecretFile })).rejects.toThrow(/found nothing/)
})

test.each([
  ['a byte order mark', '\uFEFFs3cret\r\n'],
  ['blanks', ' \t s3cret \n\n'],
])('%s around a secret is dropped', async (_, text) => {
  await using folder = await temporaryFolder()
  const clientSecretFile = join(folder.path, 'secret')
  await writeFile(clientSecretFile, text)
  expect(await credentialsOf({ kind: 'store', clientSecretFile })).toMatchObject({ clientSecret: 's3cret' })
})

test('an error about a file that is not JSON repeats nothing of it', async () => {
  await using folder = await temporaryFolder()
  const credentialsFile = join(folder.path, 'credentials.json')
  for (const text of ['s3cret', '{"clientSecret": s3cret}', '{"clientSecret": "s3cret"']) {
    await writeFile(credentialsFile, text)
    const failure = await credentialsOf({ credentialsFile }).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(UsageError)
    expect(String(failure)).toContain('is not JSON')
    expect(String(failure)).not.toMatch(/s3c|ret/)
  }
})

test('a reference is sent unchanged, for the workers to read', async () => {
  expect(await credentialsOf({ kind: 'entra', tenantId: 't', clientId: 'c', clientSecretRef: 'env:S' })).toEqual({
    kind: 'entra',
    tenantId: 't',
    clientId: 'c',
    clientSecret: { ref: 'env:S' },
  })
})

test.each([
  [{}, /--credentials-file FILE, or --kind/],
  [{ kind: 'store' }, /exactly one of --client-secret-file/],
  [{ kind: 'store', clientSecretFile: 'a', clientSecretRef: 'env:A' }, /exactly one of --client-secret-file/],
  [{ credentialsFile: 'a', kind: 'store' }, /either --credentials-file, or --kind/],
  [{ credentialsFile: '/does/not/exist' }, /no such file/],
])('%j is rejected with what is wanted', async (options, message) => {
  const failure = credentialsOf(options)
  await expect(failure).rejects.toThrow(message)
  await expect(failure).rejects.toBeInstanceOf(UsageError)
})
