import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ApiKey } from '@wns-fanout/domain'
import type { ApiKeys } from '@wns-fanout/state'

type Keys = Pick<ApiKeys, 'count' | 'create' | 'list' | 'restore' | 'verify'>

/** An admin key for every app: what an installation starts with. */
const everything = { apps: ['*'], verbs: ['read', 'register', 'send', 'admin'] } as const

/** What made a key that no other key made. */
const BOOTSTRAP = 'bootstrap'

const localStack = { name: 'local-stack', ...everything }

/**
 * Sees to it that `file` holds an admin key that works: one that is there and valid is kept. One that is unknown is
 * entered again when all keys are gone, since it went with them; otherwise it was revoked, and a new one is made and
 * written with mode 0600. For a stack on one machine, whose owner may read that file; elsewhere use `bootstrapKey`.
 *
 * @returns the id of a key that was made or entered
 */
export async function ensureKeyFile(keys: Keys, file: string): Promise<string | undefined> {
  const present = (await readFile(file, 'utf8').catch(() => '')).trim()
  if (present !== '' && (await keys.verify(present)) !== null) return undefined
  if (present !== '' && (await keys.count()) === 0) {
    const restored = await keys.restore(present, localStack, BOOTSTRAP)
    if (restored !== null) return restored.id
  }
  const { apiKey, key } = await keys.create(localStack, BOOTSTRAP)
  await mkdir(dirname(file), { recursive: true })
  const draft = `${file}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    await writeFile(draft, `${key}\n`, { mode: 0o600, flag: 'wx' })
    await rename(draft, file)
  } finally {
    await rm(draft, { force: true })
  }
  return apiKey.id
}

/** Why no first key was made. */
export class KeysExistError extends Error {
  override readonly name = 'KeysExistError'

  constructor(count: number) {
    super(
      `there ${count === 1 ? 'is 1 API key' : `are ${count} API keys`} already; ` +
        'make more with "wns-fanout keys create", or add --force when all of them are lost',
    )
  }
}

/** Makes the first key of an installation. With keys there already it throws `KeysExistError`, unless `force`. */
export async function bootstrapKey(
  keys: Keys,
  name: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<ApiKey & { readonly key: string }> {
  const { length } = await keys.list()
  if (length > 0 && !force) throw new KeysExistError(length)
  const { apiKey, key } = await keys.create({ name, ...everything }, BOOTSTRAP)
  return { ...apiKey, key }
}
