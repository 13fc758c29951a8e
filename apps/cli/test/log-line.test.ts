import { expect, test } from 'vitest'
import { parseLog, readableLog } from '../src/stack/log-line.ts'

test.each([
  ['{"level":"warn","msg":"slow"}', 'warn  slow'],
  ['{"level":50,"msg":"broken","err":{"message":"no way"}}', 'error  broken (no way)'],
  ['{"level":50,"msg":"nothing is sent","problem":"data is lost"}', 'error  nothing is sent (data is lost)'],
  ['{"level":50,"msg":"same","err":{"message":"same"}}', 'error  same'],
  ['{"ready":true}', '{"ready":true}'],
  ['{"level":"odd","msg":"x"}', '{"level":"odd","msg":"x"}'],
  ['plain text', 'plain text'],
  ['{broken', '{broken'],
])('%s reads %s', (line, text) => expect(readableLog(line)).toBe(text))

test('its severity is a number however it is written', () => {
  expect(parseLog('{"level":"error","msg":"x"}')?.severity).toBe(50)
  expect(parseLog('{"level":40,"msg":"x"}')?.severity).toBe(40)
})
