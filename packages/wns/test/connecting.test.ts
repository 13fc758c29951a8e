import { describe, expect, test } from 'vitest'
import { makeCertificates } from './support/certificates.ts'
import { HOST, oneAfterAnother, setup, wnsCertificates } from './support/harness.ts'
import { always, received } from './support/raw-server.ts'

describe('connecting', () => {
  test('goes to the route, with the name of the host in TLS and HTTP', async () => {
    await using wns = await setup(always(received))
    await wns.post()
    expect(wns.server.serverNames).toEqual([HOST])
    expect(wns.server.requests[0]?.headers).toContainEqual(['Host', HOST])
  })

  test.each([
    ['another name', ['*.example.com'], undefined, 'certificate'],
    ['an expired certificate', ['*.notify.windows.com'], 'expired', 'certificate'],
    ['an authority that is not trusted', ['*.notify.windows.com'], undefined, 'certificate'],
  ] as const)('is rejected with %s', async (_name, names, validity, code) => {
    const certificates = await makeCertificates(names, validity)
    const isTrusted = _name !== 'an authority that is not trusted'
    await using wns = await setup(always(received), {
      certificates,
      ...(isTrusted && { transport: { ca: certificates.ca } }),
    })
    expect((await wns.post()).outcome).toEqual({ kind: 'not-sent', code })
    expect(wns.server.requests).toEqual([])
  })

  test('is rejected with TLS 1.1', async () => {
    await using wns = await setup(always(received), { server: { maxVersion: 'TLSv1.1' } })
    expect((await wns.post()).outcome).toEqual({ kind: 'not-sent', code: 'tls' })
  })

  test('to a port that refuses it means not sent', async () => {
    const { ca } = await wnsCertificates()
    await using wns = await setup(always(received), { transport: { routeTo: '127.0.0.1:1', ca } })
    expect((await wns.post()).outcome).toEqual({ kind: 'not-sent', code: 'refused' })
  })

  test('reuses the TLS session of the host', async () => {
    await using wns = await setup((socket) => void socket.end(received), { lanes: 1 })
    await oneAfterAnother(wns, 3)
    expect(wns.server.resumed).toBe(2)
  })
})
