import { expect, test } from 'vitest'
import { logEntries } from '../src/index.ts'

test('a log is read line by line, without lines that are not JSON objects', () => {
  const log = [
    '{"level":"info","msg":"ready"}',
    '(node:1) Warning: something',
    '    at main.ts:1:1',
    '{"level":"warn","msg":"slow","seq":1}',
    '{"cut',
    '',
  ].join('\n')
  expect(logEntries(log)).toEqual([
    { level: 'info', msg: 'ready' },
    { level: 'warn', msg: 'slow', seq: 1 },
  ])
})
