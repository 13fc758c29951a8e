import { fc, test as property } from '@fast-check/vitest'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { appRequestSchema } from '../src/app.ts'
import { campaignRequestSchema } from '../src/campaign.ts'
import { channelRequestSchema, importLineSchema } from '../src/channel.ts'
import { inputErrorsOf } from '../src/input-errors.ts'
import { notificationSchema } from '../src/notification.ts'

fc.configureGlobal({ seed: 1 })

function errorsOf(schema: z.ZodType, input: unknown): string[] {
  const parsed = schema.safeParse(input)
  return parsed.success
    ? []
    : inputErrorsOf(parsed.error.issues, schema).map(({ path, code, detail }) => `${path.join('.')} ${code}: ${detail}`)
}

const shape = z.strictObject({
  text: z.string().min(2).max(3).optional(),
  count: z.number().int().min(1).max(100_000).optional(),
  share: z.number().gt(0).max(1).optional(),
  word: z.enum(['a', 'b']).optional(),
  yes: z.literal(true).optional(),
  items: z.array(z.string()).min(1).max(2).optional(),
  at: z.iso.datetime().optional(),
  names: z.record(z.string().regex(/^[a-z]+$/), z.string()).optional(),
  own: z.string().regex(/^x$/, { error: 'own must be x' }).optional(),
})

test.for<[unknown, string]>([
  [{ text: 'a' }, 'text out-of-range: must be at least 2 characters'],
  [{ text: 'abcd' }, 'text out-of-range: must be at most 3 characters'],
  [{ text: 5 }, 'text wrong-type: must be a text; found a number'],
  [{ text: null }, 'text wrong-type: must be a text; found null'],
  [{ text: [] }, 'text wrong-type: must be a text; found an array'],
  [{ count: 0 }, 'count out-of-range: must be at least 1'],
  [{ count: 100_001 }, 'count out-of-range: must be at most 100,000'],
  [{ count: 1.5 }, 'count wrong-type: must be an integer'],
  [{ share: 0 }, 'share out-of-range: must be more than 0'],
  [{ word: 'c' }, 'word wrong-value: must be one of "a", "b"'],
  [{ yes: false }, 'yes wrong-value: must be true'],
  [{ items: [] }, 'items out-of-range: must be at least 1 item'],
  [{ items: ['a', 'b', 'c'] }, 'items out-of-range: must be at most 2 items'],
  [{ items: {} }, 'items wrong-type: must be an array; found an object'],
  [{ at: 'soon' }, 'at wrong-value: must be an ISO 8601 time with a zone'],
  [{ own: 'y' }, 'own wrong-value: own must be x'],
  [{ foo: 1 }, 'foo unknown-field: there is no field "foo" here; remove it or check its spelling'],
  [[], ' wrong-type: must be an object; found an array'],
])('%j is rejected with the known types', ([input, error]) => {
  expect(errorsOf(shape, input)).toEqual([error])
})

test('a name in an object is rejected with its place', () => {
  expect(errorsOf(shape, { names: { 'a-b': 'c' } })).toEqual(['names.a-b invalid: has a form that is not allowed'])
})

test('a missing field is reported as missing', () => {
  expect(errorsOf(z.strictObject({ a: z.string() }), {})).toEqual(['a missing: this is missing; it must be a text'])
})

test('a notification without or with an unknown type is rejected with the known types', () => {
  for (const input of [{ text: 'a' }, { type: 'sms' }, null, [], 5])
    for (const error of errorsOf(notificationSchema, input)) expect(error).not.toMatch(/Invalid|expected|received/)
})

const fieldNames = (
  'uri tags locale vars channel notification audience type content title lines image buttons xml ' +
  'value text base64 all list channels failedOf credentials kind packageSid clientSecret canary ' +
  'size maxFailureShare pace overSeconds startAt ttlSeconds a-b'
).split(' ')

// Values that are valid in one place or another, put anywhere.
const anyInput = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom<unknown>(null, true, 0, -1, 1.5, 1e9, '', 'a', 'news', 'toast', 'x'.repeat(6000), []),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...fieldNames), tie('value'), { maxKeys: 5 }),
  ),
})).value

property.prop(
  [
    fc.constantFrom(
      appRequestSchema,
      campaignRequestSchema,
      channelRequestSchema,
      importLineSchema,
      notificationSchema,
    ),
    anyInput,
  ],
  { numRuns: 3000 },
)('no error of any schema contains a message of the library', (schema, input) => {
  for (const error of errorsOf(schema as z.ZodType, input))
    expect(error).not.toMatch(
      /Invalid (?:input|key|element|string|option)|Too (?:big|small)|expected|received|Unrecognized/,
    )
})
