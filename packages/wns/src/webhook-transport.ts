import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'
import type { Transport, TransportOptions } from './transport.ts'
import { createTransport } from './transport.ts'

export interface WebhookTransportOptions extends Pick<TransportOptions, 'httpsProxy' | 'noProxy' | 'lookup'> {
  /** Host names whose addresses may be private. */
  readonly privateHosts: readonly string[]
  /** PEM file of certificate authorities to trust beside the system's. */
  readonly caFile?: string | undefined
}

/**
 * Connections to the receivers of webhooks: to public addresses only, but for the hosts that the operator names. Where
 * there is a proxy, it resolves the names, so it decides which addresses are reached. Throws a RangeError that names
 * the setting for an unusable file.
 */
export function createWebhookTransport({ privateHosts, caFile, ...options }: WebhookTransportOptions): Transport {
  return createTransport({
    ...options,
    privateHosts: new Set(privateHosts),
    ...(caFile === undefined ? {} : { ca: [...getCACertificates('default'), readPem(caFile)].join('\n') }),
  })
}

function readPem(caFile: string): string {
  let pem: string | undefined
  let cause: unknown
  try {
    pem = readFileSync(caFile, 'utf8')
  } catch (error) {
    cause = error
  }
  if (pem?.includes('-----BEGIN CERTIFICATE-----') === true) return pem
  throw new RangeError(`WNS_FANOUT_WEBHOOK_CA_FILE must name a PEM file with certificates; found ${caFile}`, { cause })
}
