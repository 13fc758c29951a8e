import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { generate } from 'selfsigned'

/** A throw-away authority and one certificate for every name the simulator answers to, all PEM. */
export interface Certificates {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const hostNames = ['*.notify.windows.com', 'notify.windows.com', 'login.live.com', 'login.microsoftonline.com']
const DAY_MS = 86_400_000

/** Creates an authority and a server certificate in about 40 ms. Node rejects the library's default digest, SHA-1. */
export async function makeCertificates(): Promise<Certificates> {
  const options = {
    algorithm: 'sha256',
    keyType: 'ec',
    notBeforeDate: new Date(Date.now() - DAY_MS),
    notAfterDate: new Date(Date.now() + 365 * DAY_MS),
  } as const
  const ca = await generate([{ name: 'commonName', value: 'wns-simulator CA' }], {
    ...options,
    extensions: [
      { name: 'basicConstraints', cA: true, critical: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    ],
  })
  const leaf = await generate([{ name: 'commonName', value: 'wns-simulator' }], {
    ...options,
    ca: { cert: ca.cert, key: ca.private },
    extensions: [
      { name: 'basicConstraints', cA: false, critical: true },
      { name: 'keyUsage', digitalSignature: true, critical: true },
      { name: 'extKeyUsage', serverAuth: true },
      { name: 'subjectAltName', altNames: hostNames.map((value) => ({ type: 2, value })) },
    ],
  })
  return { ca: ca.cert, cert: leaf.cert, key: leaf.private }
}

/** Writes a file atomically, readable only by this user. */
export async function publishWhole(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}.tmp`
  try {
    await writeFile(draft, text, { mode: 0o600, flag: 'wx' })
    await rename(draft, path)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** Removes the file, unless another simulator has replaced it. */
export async function withdrawCa(path: string, pem: string): Promise<void> {
  const found = await readFile(path, 'utf8').catch(() => undefined)
  if (found === pem) await rm(path, { force: true })
}
