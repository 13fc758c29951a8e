import { readFile } from 'node:fs/promises'

/** The last `lines` lines of a file, from byte `start` on; empty when it cannot be read. */
export async function tailOf(file: string, start = 0, lines = 20): Promise<string> {
  const bytes = await readFile(file).catch(() => Buffer.alloc(0))
  return bytes.subarray(start).toString('utf8').trimEnd().split('\n').slice(-lines).join('\n')
}
