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
const varsSchema = z
  .record(
    z
      .string()
      .regex(/^[a-zA-Z][a-zA-Z0-9_]{0,39}$/, { error: 'a variable is named by a letter, then letters, digits, _' }),
    z.string().max(1000),
  )
  .refine((vars) => Object.keys(vars).length <= 20, { error: 'a channel has at most 20 variables' })

const registration = {
  uri: z.string(),
  tags: z.array(tagNameSchema).max(MAX_TAGS_PER_CHANNEL).optional(),
  locale: localeSchema.optional(),
  vars: varsSchema.optional(),
}

export const channelRequestSchema = z.strictObject(registration).meta({ id: 'ChannelRequest' })
export const importLineSchema = z.strictObject({ channel: channelIdSchema, ...registration }).meta({ id: 'ImportLine' })

/** A registration that passed every check: the URI is one that a bearer token may be sent to. */
export interface Registration {
  readonly channel: ChannelId
  readonly uri: ChannelUri
  readonly tags: readonly string[]
  readonly locale?: string | undefined
  readonly vars?: Readonly<Record<string, string>> | undefined
}

export const channelSchema = z
  .strictObject({
    channel: z.string(),
    tags: z.array(z.string()),
    locale: z.string().optional(),
    registeredAt: z.string(),
  })
  .meta({ id: 'Channel' })
/** What the API shows of a channel: never its URI, which is a capability. */
export type Channel = z.infer<typeof channelSchema>

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly inputErrors: readonly InputError[] }

/** Parse one line of an import: `{channel, uri, tags?, locale?, vars?}`; all faults at once. */
export function parseImportLine(input: unknown): Parsed<Registration> {
  const line = importLineSchema.safeParse(input)
  const rawUri = typeof input === 'object' && input !== null && 'uri' in input ? input.uri : undefined
  const uri = parseChannelUri(rawUri)
  const errors = line.success ? [] : inputErrorsOf(line.error.issues)
  if (!uri.ok && typeof rawUri === 'string') errors.push({ path: ['uri'], code: 'channel-uri', detail: uri.detail })
  if (!line.success || !uri.ok) return { ok: false, inputErrors: errors }
  const { channel, tags, locale, vars } = line.data
  return {
    ok: true,
    value: { channel: channel as ChannelId, uri: uri.uri, tags: [...new Set(tags ?? [])], locale, vars },
  }
}
