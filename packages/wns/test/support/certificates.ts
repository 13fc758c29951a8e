import { generate } from 'selfsigned'

export interface Certificates {
  /** The authority that a client must trust. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const options = { algorithm: 'sha256', keyType: 'ec' } as const

/** A certificate authority of its own and a server certificate for these names (or one that expired yesterday). */
export async function makeCertificates(names: readonly string[], validity?: 'expired'): Promise<Certificates> {
  const dayMs = 86_400_000
  const authority = await generate([{ name: 'commonName', value: 'Test authority' }], {
    ...options,
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'keyUsage', keyCertSign: true, cRLSign: true },
    ],
  })
  const leaf = await generate([{ name: 'commonName', value: 'Test server' }], {
    ...options,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: 'basicConstraints', cA: false },
      { name: 'subjectAltName', altNames: names.map((value) => ({ type: 2 as const, value })) },
    ],
    ...(validity === 'expired' && {
      notBeforeDate: new Date(Date.now() - 10 * dayMs),
      notAfterDate: new Date(Date.now() - dayMs),
    }),
  })
  return { ca: authority.cert, cert: leaf.cert, key: leaf.private }
}
