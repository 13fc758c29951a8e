import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** Far more than a secret: a larger file is a mistake. */
const MAX_SECRET_FILE_BYTES = 16_384

/** The text of a secret's file, or why this process cannot read it. */
export type SecretFile = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly detail: string }

/**
 * Read a file that a caller of the API named. A device without an end would fill the memory and a pipe would never
 * answer, so only regular files of a limited size are read.
 */
export async function readSecretFile(path: string): Promise<SecretFile> {
  try {
    // Without waiting for the other end of a pipe.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const { bytesRead, buffer } = await file.read(Buffer.alloc(MAX_SECRET_FILE_BYTES + 1))
    if (!(await file.stat()).isFile() || bytesRead > MAX_SECRET_FILE_BYTES)
      return { ok: false, detail: `is no file of at most ${MAX_SECRET_FILE_BYTES} bytes` }
    return { ok: true, text: buffer.toString('utf8', 0, bytesRead) }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    return { ok: false, detail: `cannot be read by this process (${code})` }
  }
}
