import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startSimulator } from '../src/index.ts'

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'wns-simulator-'))
  onTestFinished(() => rm(path, { recursive: true }))
  return path
}

async function caOf(caFile: string, identityFile?: string): Promise<string> {
  const simulator = await startSimulator({ caFile, identityFile })
  const ca = await readFile(simulator.caFile, 'utf8')
  await simulator.stop()
  return ca
}

test('a simulator that is started again with its identity file keeps its authority; without one it gets another', async () => {
  const path = await folder()
  const identity = join(path, 'identity.json')
  const first = await caOf(join(path, 'a.pem'), identity)
  expect(await caOf(join(path, 'b.pem'), identity)).toBe(first)
  expect(await caOf(join(path, 'c.pem'))).not.toBe(first)
  expect((await stat(identity)).mode & 0o777).toBe(0o600)
})

test.for(['not JSON', '{}', '{"ca": "x", "cert": "y", "key": "z"}'])(
  'a file with %j is refused and left as it is',
  async (text) => {
    const path = join(await folder(), 'identity.json')
    await writeFile(path, text)
    await expect(startSimulator({ caFile: `${path}.pem`, identityFile: path })).rejects.toThrow('name another file')
    expect(await readFile(path, 'utf8')).toBe(text)
  },
)
