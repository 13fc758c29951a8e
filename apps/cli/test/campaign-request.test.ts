import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '@wns-fanout/local'
import { campaignRequestSchema } from '@wns-fanout/domain'
import { describe, expect, test } from 'vitest'
import { UsageError } from '../src/failure.ts'
import { planSend } from '../src/input/campaign-request.ts'
import { channelIds } from '../src/input/channel-ids.ts'
import { allOf } from '../src/all-of.ts'

async function inFile<T>(text: string | Buffer, act: (path: string) => Promise<T>): Promise<T> {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'input')
  await writeFile(path, text)
  return await act(path)
}

describe('the notification', () => {
  test.each([
    [
      { toast: 'Storm', line: ['Stay inside'], launch: 'x=1' },
      { type: 'toast', content: { title: 'Storm', lines: ['Stay inside'], launch: 'x=1' } },
    ],
    [
      { tile: 'News', line: ['More'] },
      { type: 'tile', content: { medium: { lines: ['News', 'More'] }, wide: { lines: ['News', 'More'] } } },
    ],
    [{ badge: '3' }, { type: 'badge', value: 3 }],
    [{ badge: 'alert' }, { type: 'badge', value: 'alert' }],
    [
      { raw: 'ping', ttl: 60 },
      { type: 'raw', text: 'ping', ttlSeconds: 60 },
    ],
  ])('%j becomes a notification that the API accepts', async (options, notification) => {
    const { request } = await planSend({ ...options, all: true })
    expect(request).toEqual({ notification, audience: { all: true } })
    expect(campaignRequestSchema.safeParse(request).success).toBe(true)
  })

  test('the root element of XML decides its type', async () => {
    const xml = '<?xml version="1.0"?><toast><visual/></toast>'
    const { request } = await inFile(xml, async (xmlFile) => await planSend({ xmlFile, all: true }))
    expect(request['notification']).toEqual({ type: 'toast', xml })
  })

  test('a file may have the byte order mark of UTF-8 or UTF-16', async () => {
    const json = '{"type":"badge","value":1}'
    for (const content of [`\uFEFF${json}`, Buffer.from(`\uFEFF${json}`, 'utf16le')]) {
      const { request } = await inFile(
        content,
        async (notificationFile) => await planSend({ notificationFile, all: true }),
      )
      expect(request['notification']).toEqual({ type: 'badge', value: 1 })
    }
    const xml = '<toast><visual/></toast>'
    const { request } = await inFile(`\uFEFF${xml}`, async (xmlFile) => await planSend({ xmlFile, all: true }))
    expect(request['notification']).toEqual({ type: 'toast', xml })
  })

  test('a file that is neither JSON nor UTF-8 is rejected with the place and what is there', async () => {
    await expect(
      inFile('{"type":"badge",}', async (notificationFile) => await planSend({ notificationFile, all: true })),
    ).rejects.toThrow(/is not JSON: line 1, column 17: wanted a name in double quotes, found "}" behind a comma/)
    await expect(
      inFile(Buffer.from([0x7b, 0xe9, 0x7d]), async (xmlFile) => await planSend({ xmlFile, all: true })),
    ).rejects.toThrow(/must be UTF-8 text/)
  })

  test('a share of dead channels is a decision with a reason', async () => {
    const { request } = await planSend({ badge: '1', all: true, maxDeadShare: 0.6, deadReason: 'imported a year ago' })
    expect(request['maxDeadShare']).toEqual({ share: 0.6, reason: 'imported a year ago' })
  })

  test('a notification file is sent unchanged, with headers added', async () => {
    const { request } = await inFile(
      '{"type":"badge","value":1}',
      async (notificationFile) => await planSend({ notificationFile, all: true, ttl: 5 }),
    )
    expect(request['notification']).toEqual({ type: 'badge', value: 1, ttlSeconds: 5 })
  })

  test.each([
    [{ all: true }, /exactly one of --toast.*found none/],
    [{ toast: 'a', raw: 'b', all: true }, /found --toast and --raw/],
    [{ raw: 'a', image: 'https://x', all: true }, /--image needs --toast/],
    [{ badge: '1', line: ['a'], all: true }, /--line needs --toast/],
    [{ badge: '1' }, /exactly one of --all.*found none/],
    [{ badge: '1', tags: 'a', list: 'b' }, /found --tags and --list/],
    [{ badge: '1', all: true, tags: 'a' }, /found --all and --tags/],
    [{ badge: '1', all: true, maxDeadShare: 0.6 }, /--max-dead-share needs --dead-reason/],
    [{ badge: '1', all: true, deadReason: 'old' }, /--dead-reason needs --max-dead-share/],
    [{ notificationFile: '/does/not/exist', all: true }, /cannot read .*no such file/],
  ])('%j is rejected with the reason', async (options, message) => {
    const failure = planSend(options)
    await expect(failure).rejects.toThrow(message)
    await expect(failure).rejects.toBeInstanceOf(UsageError)
  })
})

async function idsIn(path: string): Promise<readonly string[]> {
  return await allOf(channelIds(path))
}

async function audienceOf(options: object): Promise<unknown> {
  return (await planSend({ badge: '1', ...options })).request['audience']
}

describe('the audience', () => {
  test('channel ids can be bare or NDJSON', async () => {
    expect(await inFile('a\n\n{"channel":"b","x":1}\r\n c \n', idsIn)).toEqual(['a', 'b', 'c'])
    await expect(inFile('a\n{"chanel":"b"}\n', idsIn)).rejects.toThrow(/line 2/)
    await expect(inFile('\n', idsIn)).rejects.toThrow(/contains no channel id/)
  })

  test('an audience can be narrowed, or be narrowed channels alone', async () => {
    const narrowing = { registeredAfter: '2026-01-01T00:00:00.000Z', gate: 'open' } as const
    expect(await audienceOf({ tags: 'news', ...narrowing })).toEqual({ tags: 'news', ...narrowing })
    expect(await audienceOf({ channel: ['a'], ...narrowing })).toEqual({ channels: ['a'], ...narrowing })
    expect(await audienceOf(narrowing)).toEqual({ all: true, ...narrowing })
    await expect(planSend({ badge: '1' })).rejects.toThrow(UsageError)
  })

  test('a long file becomes an uploaded list, the same one each time', async () => {
    const ids = Array.from({ length: 10_001 }, (_, n) => `device-${n}`)
    const plan = await inFile(ids.join('\n'), async (channelsFile) => await planSend({ badge: '1', channelsFile }))
    expect(plan.upload?.channels).toHaveLength(10_001)
    expect(plan.request['audience']).toEqual({ list: plan.upload?.list })
    expect(plan.upload?.list).toMatch(/^[a-z0-9-]{1,40}$/)
    const again = await inFile(ids.join('\n'), async (channelsFile) => await planSend({ badge: '1', channelsFile }))
    expect(again.upload?.list).toBe(plan.upload?.list)
  })

  test('a short file is part of the request', async () => {
    const plan = await inFile('a\nb\n', async (channelsFile) => await planSend({ badge: '1', channelsFile }))
    expect(plan.request['audience']).toEqual({ channels: ['a', 'b'] })
    expect(plan.upload).toBeUndefined()
  })
})

describe('the canary', () => {
  test.each([
    [
      { canary: 300, maxFailureShare: 0.1 },
      { size: 300, maxFailureShare: 0.1 },
    ],
    [
      { canaryShare: 0.01, canaryApprove: true as const },
      { share: 0.01, approve: 'manual' },
    ],
    [
      { canary: 1, canaryFailing: ['dropped'] },
      { size: 1, failingClasses: ['dropped'] },
    ],
    [{}, undefined],
  ])('of the options %j is %j', async (options, canary) => {
    const { request } = await planSend({ badge: '1', all: true, ...options })
    expect(request['canary']).toEqual(canary)
  })

  test('has options that need its size', async () => {
    const plan = planSend({ badge: '1', all: true, canaryApprove: true })
    await expect(plan).rejects.toThrow('--canary-approve needs --canary <n> or --canary-share <share>')
  })
})
