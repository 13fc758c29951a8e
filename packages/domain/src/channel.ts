import * as z from 'zod'
import type { ChannelUri } from './channel-uri.ts'
import { parseChannelUri } from './channel-uri.ts'
import { inputErrorsOf } from './input-errors.ts'
import type { ChannelId } from './ids.ts'
import { channelIdSchema, tagNameSchema } from './ids.ts'
import { parseLocale } from './locale.ts'
import type { InputError } from './problem.ts'

export const MAX_TAGS_PER_CHANNEL = 50
// The canonical locale of `parseLocale`, or its reason.
const localeSchema = z
  .string()
  .overwrite((text) => {
    const parsed = parseLocale(text)
    return parsed.ok ? parsed.locale : text
  })
  .superRefine((text, context) => {
    const parsed = parseLocale(text)
    if (!parsed.ok) context.addIssue({ code: 'custom', message: parsed.detail })
  })
const MAX_VARS = 20
const MAX_VAR_LENGTH = 1000
const varName = /^[a-zA-Z][a-zA-Z0-9_]{0,39}$/
const varText = `a variable must be a text of at most ${MAX_VAR_LENGTH.toLocaleString('en')} characters`
// The names are checked here and not by the schema of the keys, whose errors do not state the rule.
const varsSchema = z
  .record(z.string(), z.string({ error: varText }).max(MAX_VAR_LENGTH, { error: varText }), {
    error: 'vars must be an object of texts, such as {"name": "Ada"}',
  })
  .superRefine((vars, context) => {
    const names = Object.keys(vars)
    for (const name of names.filter((one) => !varName.test(one)))
      context.addIssue({
        code: 'custom',
        path: [name],
        message: 'the name of a variable must be a letter, then up to 39 letters, digits or "_"; rename it',
      })
    if (names.length > MAX_VARS)
      context.addIssue({
        code: 'custom',
        message: `a channel may have at most ${MAX_VARS} variables; found ${names.length}`,
      })
  })

const registration = {
  uri: z.string({ error: 'uri must be the channel URI as Windows gave it, a text' }),
  tags: z
    .array(tagNameSchema, { error: 'tags must be an array of tag names' })
    .max(MAX_TAGS_PER_CHANNEL, { error: `a channel may have at most ${MAX_TAGS_PER_CHANNEL} tags` })
    .nullish(),
  locale: localeSchema.nullish(),
  vars: varsSchema.nullish(),
  optedOut: z
    .boolean({ error: 'optedOut must be true or false' })
    .nullish()
    .meta({ description: 'True excludes the channel from every audience.' }),
}

/** An absent field keeps its value, null clears it. */
export const channelRequestSchema = z.strictObject(registration).meta({ id: 'ChannelRequest' })
export const importLineSchema = z.strictObject({ channel: channelIdSchema, ...registration }).meta({ id: 'ImportLine' })

/**
 * A registration that passed every check: the URI is one that a bearer token may be sent to. An absent field keeps its
 * value, null clears it.
 */
export interface Registration {
  readonly channel: ChannelId
  readonly uri: ChannelUri
  readonly tags?: readonly string[] | null | undefined
  readonly locale?: string | null | undefined
  readonly vars?: Readonly<Record<string, string>> | null | undefined
  readonly optedOut?: boolean | null | undefined
}

export const channelSchema = z
  .strictObject({
    channel: z.string(),
    tags: z.array(z.string()),
    locale: z.string().optional(),
    optedOut: z
      .literal(true)
      .meta({ description: 'The channel opted out and gets nothing; absent where it did not.' })
      .optional(),
    registeredAt: z.string(),
  })
  .meta({ id: 'Channel' })
/** What the API shows of a channel: never its URI, which is a capability. */
export type Channel = z.infer<typeof channelSchema>

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly inputErrors: readonly InputError[] }

/** Parse one line of an import: `{channel, uri, tags?, locale?, vars?, optedOut?}`; reports all errors at once. */
export function parseImportLine(input: unknown): Parsed<Registration> {
  const line = importLineSchema.safeParse(input)
  const rawUri = typeof input === 'object' && input !== null && 'uri' in input ? input.uri : undefined
  const uri = parseChannelUri(rawUri)
  const errors = line.success ? [] : inputErrorsOf(line.error.issues)
  if (!uri.ok && typeof rawUri === 'string') errors.push({ path: ['uri'], code: 'channel-uri', detail: uri.detail })
  if (!line.success || !uri.ok) return { ok: false, inputErrors: errors }
  const { channel, uri: _, tags, ...rest } = line.data
  const different = tags === undefined ? {} : { tags: tags === null ? null : [...new Set(tags)] }
  return { ok: true, value: { channel: channel as ChannelId, uri: uri.uri, ...different, ...rest } }
}
