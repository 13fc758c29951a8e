import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { auditHash, AUDIT_START } from '@wns-fanout/domain'
import { expect, onTestFinished, test } from 'vitest'
import { auditLines } from '../src/input/audit-lines.ts'

const link = {
  trail: 'control',
  seq: 1,
  previous: AUDIT_START,
  time: '2026-11-27T10:00:00.000Z',
  actor: 'a',
  action: 'app.put',
  outcome: 'done',
} as const
const entry = { id: '1-0', hash: auditHash(AUDIT_START, JSON.stringify(link)), ...link }

async function read(lines: readonly unknown[], trail: 'control' | 'devices' = 'control') {
  const folder = await mkdtemp(join(tmpdir(), 'audit-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'audit.ndjson')
  await writeFile(file, lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'))
  const found = []
  for await (const one of auditLines(file, trail)) found.push(one)
  return found
}

test('an export and the lines of stdout give the same entries', async () => {
  expect(await read([entry, ''])).toEqual([entry])
  expect(await read([{ ready: true }, { audit: entry }, { audit: link, stored: false }])).toEqual([entry])
  expect(await read([entry], 'devices')).toEqual([])
})

test('another line is reported with its number', async () => {
  await expect(read([entry, 'x'])).rejects.toThrow(/line 2: no entry/)
  await expect(read([{ hash: 1 }])).rejects.toThrow(/line 1/)
})
