import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { freePort, temporaryFolder } from '../src/index.ts'
import { eachLine } from '../src/lines.ts'

test('a free port can be listened on', async () => {
  const port = await freePort()
  // Not one that the system may give to an outgoing connection meanwhile.
  expect(port).toBeLessThan(32_768)
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  server.close()
})

test('a temporary folder exists until it is removed; removing is idempotent', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder.path, 'file'), 'x')
  expect(await readFile(join(folder.path, 'file'), 'utf8')).toBe('x')
  await folder.remove()
  await folder.remove()
  expect(existsSync(folder.path)).toBe(false)
})

test('lines are found however the text was cut, and bytes of a character stay together', async () => {
  const lines: string[] = []
  const bytes = Buffer.from('one\r\nzwei ü\n\nfour')
  const stream = Readable.from(
    [...bytes].map((byte) => Buffer.from([byte])),
    { objectMode: false },
  )
  eachLine(stream, (line) => lines.push(line))
  await once(stream, 'end')
  expect(lines).toEqual(['one', 'zwei ü', '', 'four'])
})
