import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { HttpsAnswer } from '../src/index.ts'
import { createWebhookTransport, httpsPost } from '../src/index.ts'
import { makeCertificates } from './support/certificates.ts'

/** An HTTPS server on this machine, and the file of its authority. */
async function startReceiver() {
  const folder = await mkdtemp(join(tmpdir(), 'wns-fanout-hooks-'))
  const { ca, cert, key } = await makeCertificates(['localhost'])
  const caFile = join(folder, 'ca.pem')
  await writeFile(caFile, ca)
  const server = createServer({ cert, key }, (_request, response) => response.writeHead(202).end())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(async () => {
    await new Promise((resolve) => server.close(resolve))
    await rm(folder, { recursive: true })
  })
  return { caFile, url: `https://localhost:${(server.address() as AddressInfo).port}/` }
}

function post(url: string, options: Parameters<typeof createWebhookTransport>[0]): Promise<HttpsAnswer> {
  return httpsPost({ url, headers: {}, body: '{}' }, createWebhookTransport(options), { deadlineMs: 5000 })
}

test('a host that the operator names is reached at its private address, with an authority of the file', async () => {
  const { caFile, url } = await startReceiver()
  expect(await post(url, { privateHosts: ['localhost'], caFile })).toEqual({ kind: 'answer', status: 202 })
})

test('another host is not reached at a private address, and a certificate must be of a known authority', async () => {
  const { caFile, url } = await startReceiver()
  expect(await post(url, { privateHosts: ['other.example'], caFile })).toMatchObject({ code: 'private-address' })
  expect(await post(url, { privateHosts: ['localhost'] })).toMatchObject({ code: 'certificate' })
})

test('a file that is missing or has no certificate is rejected with its setting', async () => {
  const { caFile } = await startReceiver()
  for (const bad of [join(caFile, '..', 'missing.pem'), import.meta.filename])
    expect(() => createWebhookTransport({ privateHosts: [], caFile: bad })).toThrow('WNS_FANOUT_WEBHOOK_CA_FILE')
})
