import { describe, expect, test } from 'vitest'
import { setup } from './sender.ts'

interface Row {
  readonly channel: string
  readonly status: number
  readonly wnsStatus: string
  readonly headers?: Readonly<Record<string, string>>
}

const rows: Row[] = [
  { channel: 'ok.any.1', status: 200, wnsStatus: 'received' },
  { channel: 'dropped.any.1', status: 200, wnsStatus: 'dropped' },
  {
    channel: 'offline.any.1',
    status: 200,
    wnsStatus: 'dropped',
    headers: { 'x-wns-deviceconnectionstatus': 'disconnected' },
  },
  {
    channel: 'gone.any.1',
    status: 410,
    wnsStatus: 'dropped',
    headers: { 'x-wns-error-description': 'Channel URL expired' },
  },
  {
    channel: 'revoked.any.1',
    status: 410,
    wnsStatus: 'revoked',
    headers: { 'x-wns-error-description': 'Revoked channel URL' },
  },
  {
    channel: 'blocked.any.1',
    status: 410,
    wnsStatus: 'dropped',
    headers: { 'x-wns-error-description': 'Domain Blocked' },
  },
  { channel: 'unknown.any.1', status: 404, wnsStatus: 'dropped' },
  {
    channel: 'unauthorized.any.1',
    status: 401,
    wnsStatus: 'dropped',
    headers: { 'www-authenticate': 'Bearer error="invalid_request",error_description="Invalid token"' },
  },
  { channel: 'throttled.any.1', status: 200, wnsStatus: 'channelthrottled', headers: { 'retry-after': '2' } },
  { channel: 'forbidden.any.1', status: 403, wnsStatus: 'dropped' },
  { channel: 'badheader.any.1', status: 400, wnsStatus: 'dropped' },
  { channel: 'error.any.1', status: 500, wnsStatus: 'dropped' },
  { channel: 'unavailable.any.1', status: 503, wnsStatus: 'dropped', headers: { 'retry-after': '1' } },
  { channel: 'slow-5.any.1', status: 200, wnsStatus: 'received' },
  { channel: 'drip-5.any.1', status: 200, wnsStatus: 'received' },
  { channel: 'flaky-0.any.1', status: 200, wnsStatus: 'received' },
  { channel: 'flaky-100.any.1', status: 500, wnsStatus: 'dropped' },
  { channel: 'nonsense.any.1', status: 404, wnsStatus: 'dropped' },
  { channel: 'slow.any.1', status: 404, wnsStatus: 'dropped' },
  { channel: 'flaky-101.any.1', status: 404, wnsStatus: 'dropped' },
  { channel: 'ok-1.any.1', status: 404, wnsStatus: 'dropped' },
  { channel: 'ok.any', status: 404, wnsStatus: 'dropped' },
  { channel: 'ok..1', status: 404, wnsStatus: 'dropped' },
]

test.each(rows)(
  'a post to $channel is answered $status $wnsStatus',
  async ({ channel, status, wnsStatus, headers }) => {
    const sender = await setup()

    const answer = await sender.post(channel, {
      headers: { 'X-WNS-RequestForStatus': 'true', 'MS-CV': 'abcdefghijklmnopqrstuv.7' },
    })

    expect(answer.status).toBe(status)
    expect(answer.headers).toMatchObject({
      'x-wns-status': wnsStatus,
      'x-wns-notificationstatus': wnsStatus,
      'x-wns-deviceconnectionstatus': 'connected',
      'x-wns-msg-id': expect.stringMatching(/^[0-9A-F]{16}$/),
      'x-wns-debug-trace': expect.stringMatching(/^[0-9A-Za-z]+$/),
      'ms-cv': 'abcdefghijklmnopqrstuv.7',
      'content-length': '0',
      date: expect.stringMatching(/ GMT$/),
      ...headers,
    })
    expect(await sender.stats()).toMatchObject({ posts: 1, byStatus: { [status]: 1 }, byWnsStatus: { [wnsStatus]: 1 } })
  },
)

describe('answers that depend on the post', () => {
  test('a throttled channel refuses the first post only', async () => {
    const sender = await setup()

    const statuses = []
    for (let post = 0; post < 3; post += 1)
      statuses.push((await sender.post('throttled.any.1')).headers['x-wns-status'])

    expect(statuses).toEqual(['channelthrottled', 'received', 'received'])
  })

  test('a flaky channel fails the same posts in every run, and about its percentage of all', async () => {
    const first = await setup()
    const second = await setup()
    const run = async (sender: typeof first): Promise<number[]> => {
      const statuses: number[] = []
      for (let channel = 0; channel < 100; channel += 1) {
        for (let post = 0; post < 2; post += 1) statuses.push((await sender.post(`flaky-30.any.${channel}`)).status)
      }
      return statuses
    }

    const statuses = await run(first)

    expect(await run(second)).toEqual(statuses)
    const failed = statuses.filter((status) => status === 500).length
    expect(failed).toBeGreaterThan(40)
    expect(failed).toBeLessThan(80)
  })

  test('the device status is reported only on request', async () => {
    const sender = await setup()

    expect((await sender.post('ok.any.1')).headers).not.toHaveProperty('x-wns-deviceconnectionstatus')
  })

  test('an MS-CV is made up when none was sent', async () => {
    const sender = await setup()

    expect((await sender.post('ok.any.1')).headers['ms-cv']).toMatch(/^[A-Za-z0-9+/]{22}\.\d+$/)
  })

  test.each([
    { type: 'wns/toast', policy: undefined, wnsStatus: 'received' },
    { type: 'wns/tile', policy: 'cache', wnsStatus: 'received' },
    { type: 'wns/badge', policy: 'no-cache', wnsStatus: 'dropped' },
    { type: 'wns/raw', policy: undefined, wnsStatus: 'dropped' },
    { type: 'wns/raw', policy: 'cache', wnsStatus: 'received' },
  ])('for a sleeping device $type with cache policy $policy is $wnsStatus', async ({ type, policy, wnsStatus }) => {
    const sender = await setup()

    const answer = await sender.post('sleeping.any.1', {
      headers: {
        'X-WNS-Type': type,
        'Content-Type': type === 'wns/raw' ? 'application/octet-stream' : 'text/xml',
        'X-WNS-Cache-Policy': policy,
        'X-WNS-RequestForStatus': 'true',
      },
    })

    expect(answer.headers).toMatchObject({ 'x-wns-status': wnsStatus, 'x-wns-deviceconnectionstatus': 'disconnected' })
  })

  test('a slow channel answers after its delay and does not delay others', async () => {
    const sender = await setup()
    await sender.bearer()
    const startedAtMs = performance.now()

    const slow = sender.post('slow-150.any.1').then(() => performance.now() - startedAtMs)
    const quick = sender.post('ok.any.1').then(() => performance.now() - startedAtMs)

    expect(await slow).toBeGreaterThanOrEqual(149)
    expect(await quick).toBeLessThan(await slow)
  })
})
