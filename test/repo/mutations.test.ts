import { expect, test } from 'vitest'
import { faults } from '../mutations/faults.ts'
import { files, textOf } from './files.ts'

test.each(faults)(
  'the place of the fault "$name" exists once, and so does its test file',
  ({ file, from, to, test: by }) => {
    expect(textOf(file).split(from)).toHaveLength(2)
    expect(to).not.toContain(from)
    expect(files).toContain(by)
  },
)

test('at least ten faults, each with a name of its own', () => {
  expect(faults.length).toBeGreaterThanOrEqual(10)
  expect(new Set(faults.map(({ name }) => name)).size).toBe(faults.length)
})
