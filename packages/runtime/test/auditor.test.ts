import type { AuditEntry, AuditFacts } from '@wns-fanout/domain'
import { expect, test } from 'vitest'
import { createAuditor } from '../src/index.ts'

const facts: AuditFacts = { time: '2026-11-27T10:00:00.000Z', actor: 'a', action: 'app.put', outcome: 'done' }

function bench({ isShipped, isRefused = false }: { isShipped: boolean; isRefused?: boolean }) {
  const lines: string[] = []
  const errors: unknown[] = []
  const auditor = createAuditor({
    append: async (trail, given) => {
      if (isRefused) throw new Error('OOM')
      return { id: '1-0', hash: 'h', trail, seq: 1, previous: 'p', ...given } satisfies AuditEntry
    },
    write: (line) => lines.push(line),
    isShipped,
    onUnstored: (error) => errors.push(error),
  })
  return { auditor, lines, errors }
}

test('a stored entry is shipped as one line where that is asked', async () => {
  for (const isShipped of [true, false]) {
    const { auditor, lines, errors } = bench({ isShipped })
    await auditor.record('control', facts)
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual(
      isShipped ? [{ audit: { id: '1-0', hash: 'h', trail: 'control', seq: 1, previous: 'p', ...facts } }] : [],
    )
    expect(errors).toEqual([])
  }
})

test('an entry that is not stored is a line even where entries are not shipped', async () => {
  const { auditor, lines, errors } = bench({ isShipped: false, isRefused: true })
  await auditor.record('devices', facts)
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { audit: { trail: 'devices', ...facts }, stored: false },
  ])
  expect(errors).toHaveLength(1)
})

test('a name has no secret and no character that controls a terminal', async () => {
  const { auditor, lines } = bench({ isShipped: true })
  const key = `wnsf_${'0'.repeat(12)}_${'A'.repeat(43)}`
  await auditor.record('control', { ...facts, object: `x\u001B[2J https://db5p.notify.windows.com/?token=T ${key}` })
  expect(lines[0]).not.toMatch(/token=T|A{43}/)
  expect(lines[0]).not.toContain('\u001B')
  expect(lines[0]).toContain('[secret]')
})
