import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fc, test } from '@fast-check/vitest'
import { Keyring, readKeyringFile, UnsealError } from '@wns-fanout/state'
import { describe, expect, onTestFinished } from 'vitest'

function line(kid: string): string {
  return `${kid} ${randomBytes(32).toString('base64')}`
}

test.prop([fc.string({ unit: 'binary' }), fc.string()])(
  'what was sealed opens again for the same purpose',
  (plaintext, aad) => {
    const ring = Keyring.parse(line('k1'))
    expect(ring.open(aad, ring.seal(aad, plaintext))).toBe(Buffer.from(plaintext, 'utf8').toString('utf8'))
  },
)

describe('an envelope', () => {
  test('opens for its own purpose only', () => {
    const ring = Keyring.parse(line('k1'))
    expect(() => ring.open('wns-token|other', ring.seal('wns-token|news', 'secret'))).toThrow(UnsealError)
  })

  test('that was altered anywhere does not open', () => {
    const ring = Keyring.parse(line('k1'))
    const bytes = Buffer.from(ring.seal('aad', 'secret'), 'base64')
    for (let at = 0; at < bytes.length; at += 1) {
      const altered = Buffer.from(bytes)
      altered[at] = (altered[at] ?? 0) ^ 1
      expect(() => ring.open('aad', altered.toString('base64'))).toThrow(UnsealError)
    }
  })

  test('with a short tag, as Node would take it, does not open', () => {
    const ring = Keyring.parse(line('k1'))
    const bytes = Buffer.from(ring.seal('aad', ''), 'base64')
    expect(() => ring.open('aad', bytes.subarray(0, -12).toString('base64'))).toThrow(UnsealError)
  })

  test.each(['', 'AA==', 'not base64 at all', 'AQ=='])('%j is none', (text) => {
    expect(() => Keyring.parse(line('k1')).open('aad', text)).toThrow(UnsealError)
  })

  test('differs each time', () => {
    const ring = Keyring.parse(line('k1'))
    const sealed = Array.from({ length: 1000 }, () => ring.seal('aad', 'same'))
    expect(new Set(sealed).size).toBe(1000)
  })
})

describe('a keyring', () => {
  test('seals with its newest key and opens with any', () => {
    const [old, fresh] = [line('old'), line('fresh')]
    const before = Keyring.parse(old).seal('aad', 'kept')
    const rotated = Keyring.parse(`${fresh}\n${old}\n`)
    expect(rotated.open('aad', before)).toBe('kept')
    expect(Keyring.parse(fresh).open('aad', rotated.seal('aad', 'new'))).toBe('new')
    expect(() => Keyring.parse(fresh).open('aad', before)).toThrow(/key old .*not in the keyring/)
  })

  test('skips comments and empty lines', () => {
    const own = line('k1')
    const ring = Keyring.parse(`# ours\n\n  ${own}  \r\n`)
    expect(Keyring.parse(own).open('aad', ring.seal('aad', 'x'))).toBe('x')
  })

  test('reports all errors at once, and no key', () => {
    const secret = randomBytes(16).toString('base64')
    const text = ['k1', `k2 ${secret}`, `bad!id ${randomBytes(32).toString('base64')}`, line('k3'), line('k3')].join(
      '\n',
    )
    const parse = () => Keyring.parse(text)
    expect(parse).toThrow(/line 1: .*line 2: .*16.*line 3: .*line 5: .*k3/)
    expect(parse).not.toThrow(secret)
  })

  test('without a key explains how to make one', () => {
    expect(() => Keyring.parse('\n# nothing\n')).toThrow(/randomBytes\(32\)/)
  })

  test('is read from its file; the error about a missing one explains what to do', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'keyring-'))
    onTestFinished(() => rm(folder, { recursive: true }))
    const path = join(folder, 'keyring')
    await expect(readKeyringFile(path)).rejects.toThrow(/ENOENT.*WNS_FANOUT_KEYRING_FILE.*randomBytes/)
    await writeFile(path, 'k1 short')
    await expect(readKeyringFile(path)).rejects.toThrow(`${path}: the keyring cannot be used: line 1`)
    await writeFile(path, line('k1'))
    const ring = await readKeyringFile(path)
    expect(ring.open('a', ring.seal('a', 'x'))).toBe('x')
  })
})
