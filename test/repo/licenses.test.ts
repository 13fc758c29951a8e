import { expect, test } from 'vitest'
import { unlicensed } from './licenses.ts'

const one = [{ name: 'a', versions: ['1.0.0'] }]

test('licenses that bind what is built with a package are found, and missing ones', () => {
  expect(unlicensed({ MIT: one, 'Apache-2.0': one, '(MIT OR GPL-3.0)': one, 'MIT AND ISC': one })).toEqual([])
  for (const license of ['GPL-3.0', 'AGPL-3.0-only', 'MPL-2.0', 'Unknown', 'SSPL-1.0', 'MIT AND GPL-2.0'])
    expect(unlicensed({ [license]: one })).toEqual([`a 1.0.0: ${license}`])
})
