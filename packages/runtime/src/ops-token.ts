import { readFile } from 'node:fs/promises'
import { parseSecret } from '@wns-fanout/domain'

/** The token in a file, or none without a file. Throws an error that names the variable. */
export async function readOpsToken(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    throw new Error(`WNS_FANOUT_OPS_TOKEN_FILE: ${file} cannot be read (${code})`, { cause: error })
  })
  const parsed = parseSecret(text)
  if (!parsed.ok) throw new Error(`WNS_FANOUT_OPS_TOKEN_FILE: ${file} has no token: ${parsed.detail}`)
  return parsed.secret
}
