import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type Certificates, makeCertificates, publishWhole } from './certificate.ts'

const DAY_MS = 86_400_000

/**
 * The certificates in the file (JSON with three PEM texts, mode 0600); created when the file is missing or they expire
 * within a day. Throws when the file contains anything else, because it may belong to the user.
 */
export async function loadIdentity(path: string): Promise<Certificates> {
  const kept = await read(path)
  if (kept !== undefined && endsAtMs(kept) > Date.now() + DAY_MS) return kept
  const made = await makeCertificates()
  await publishWhole(path, `${JSON.stringify(made)}\n`)
  return made
}

async function read(path: string): Promise<Certificates | undefined> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  const found = parse(text)
  if (found === undefined) {
    throw new Error(`${path} is no identity of a simulator ({ca, cert, key} in PEM); name another file or remove it`)
  }
  return found
}

function parse(text: string): Certificates | undefined {
  try {
    const found = JSON.parse(text) as Partial<Record<keyof Certificates, unknown>> | null
    const { ca, cert, key } = found ?? {}
    if (typeof ca !== 'string' || typeof cert !== 'string' || typeof key !== 'string') return undefined
    const identity = { ca, cert, key }
    return Number.isNaN(endsAtMs(identity)) ? undefined : identity
  } catch {
    return undefined
  }
}

function endsAtMs({ ca, cert }: Certificates): number {
  return Math.min(...[ca, cert].map((pem) => Date.parse(new X509Certificate(pem).validTo)))
}
