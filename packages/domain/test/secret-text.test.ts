import { expect, test } from 'vitest'
import { appRequestSchema } from '../src/app.ts'
import { parseSecret } from '../src/secret-text.ts'

const accepted: readonly (readonly [string, string])[] = [
  ['a secret', 's3cret'],
  ['a byte order mark', '\uFEFFs3cret'],
  ['a line end', 's3cret\n'],
  ['CRLF', 's3cret\r\n'],
  ['blanks and tabs', ' \t s3cret \t '],
  ['all of them', '\uFEFF s3cret \r\n\r\n'],
]

const rejected: readonly (readonly [string, string, RegExp])[] = [
  ['nothing', '', /found nothing/],
  ['blanks alone', ' \r\n', /found nothing/],
  ['NUL', 's3c\0ret', /not text.*UTF-16/],
  ['two lines', 's3c\nret', /several lines/],
  ['a letter that is not ASCII', 's3crét', /another character/],
  ['a control character', 's3c\u0007ret', /another character/],
  ['too many characters', 's'.repeat(1025), /1025 characters/],
]

function request(clientSecret: string): unknown {
  return { credentials: { kind: 'entra', tenantId: 't', clientId: 'c', clientSecret } }
}

test.each(accepted)('%s is accepted by every reader', (_, text) => {
  expect(parseSecret(text)).toEqual({ ok: true, secret: 's3cret' })
  expect(appRequestSchema.parse(request(text))).toMatchObject({ credentials: { clientSecret: 's3cret' } })
})

test.each(rejected)('%s is rejected with a reason that does not repeat it', (_, text, reason) => {
  const parsed = parseSecret(text)
  if (parsed.ok) throw new Error('it was accepted')
  expect(parsed.detail).toMatch(reason)
  expect(parsed.detail).not.toMatch(/s3c|ss/)
  const { error } = appRequestSchema.safeParse(request(text))
  expect(JSON.stringify(error?.issues)).not.toMatch(/s3c|sss/)
  expect(error).toBeDefined()
})
