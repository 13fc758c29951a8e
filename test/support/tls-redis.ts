import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findRedis, freePort, startRedis, temporaryFolder } from '@wns-fanout/local'
import { generate } from 'selfsigned'

export interface TlsRedis extends AsyncDisposable {
  /** Without TLS. */
  readonly plainPort: number
  readonly tlsPort: number
  readonly password: string
  readonly caFile: string
  /** A client certificate that the server accepts. */
  readonly certFile: string
  readonly keyFile: string
  readonly folder: string
}

export interface TlsRedisOptions {
  /** The name in the certificate of the server. */
  readonly host: string
  readonly wantsClientCertificate?: boolean
}

/** A Redis that also listens with TLS, with a certificate authority of its own; gone when disposed. */
export async function startTlsRedis({ host, wantsClientCertificate = false }: TlsRedisOptions): Promise<TlsRedis> {
  const folder = await temporaryFolder('wns-fanout-tls-redis-')
  const ca = await generate([{ name: 'commonName', value: 'Redis CA' }], {
    extensions: [{ name: 'basicConstraints', cA: true }],
  })
  const issue = (name: string) =>
    generate([{ name: 'commonName', value: name }], {
      ca: { key: ca.private, cert: ca.cert },
      extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: name }] }],
    })
  const [server, client] = await Promise.all([issue(host), issue('client')])
  const files = {
    'ca.pem': ca.cert,
    'server.pem': server.cert,
    'server.key': server.private,
    'client.pem': client.cert,
    'client.key': client.private,
  }
  await mkdir(folder.path, { recursive: true })
  const path = (name: keyof typeof files) => join(folder.path, name)
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text, { mode: 0o600 })
  const tlsPort = await freePort()
  const redis = await startRedis({
    redis: await findRedis({ cacheDir: fileURLToPath(new URL('../../.cache', import.meta.url)) }),
    dir: join(folder.path, 'redis'),
    persistence: 'aof',
    extraArgs: Object.entries({
      '--tls-port': String(tlsPort),
      '--tls-ca-cert-file': path('ca.pem'),
      '--tls-cert-file': path('server.pem'),
      '--tls-key-file': path('server.key'),
      '--tls-auth-clients': wantsClientCertificate ? 'yes' : 'no',
    }).flat(),
  })
  return {
    plainPort: redis.port,
    tlsPort,
    password: new URL(redis.url).password,
    caFile: path('ca.pem'),
    certFile: path('client.pem'),
    keyFile: path('client.key'),
    folder: folder.path,
    async [Symbol.asyncDispose]() {
      await redis.stop()
      await folder.remove()
    },
  }
}
