import * as z from 'zod'
import type { ChannelUri } from './channel-uri.ts'
import { parseChannelUri } from './channel-uri.ts'
import { inputErrorsOf } from './input-errors.ts'
import type { ChannelId } from './ids.ts'
import { channelIdSchema, tagNameSchema, topicNameSchema } from './ids.ts'
import { parseLocale } from './locale.ts'
import type { InputError } from './problem.ts'
import { parseRegisteredAt } from './registered-at.ts'
import { parseTimeZone } from './time-zone.ts'
import { checkVars, MAX_VAR_LENGTH, varsSchema, varText } from './vars.ts'

export const MAX_TAGS_PER_CHANNEL = 50
const MAX_TOPICS_PER_CHANNEL = 50
// Each reads a text into its canonical form, or gives the reason why not.
const localeSchema = canonical(z.string(), (text) => {
  const parsed = parseLocale(text)
  return parsed.ok ? { ok: true, text: parsed.locale } : parsed
})
const timeZoneSchema = canonical(z.string({ error: 'timeZone must be a text such as "Europe/Berlin"' }), (text) => {
  const parsed = parseTimeZone(text)
  return parsed.ok ? { ok: true, text: parsed.timeZone } : parsed
})
const registeredAtSchema = canonical(
  z.string({ error: 'registeredAt must be a text such as "2026-05-31T08:30:00Z"' }),
  (text) => {
    const parsed = parseRegisteredAt(text)
    return parsed.ok ? { ok: true, text: parsed.time } : parsed
  },
)

type Canonical = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly detail: string }

function canonical(schema: z.ZodString, read: (text: string) => Canonical): z.ZodString {
  return schema
    .overwrite((text) => {
      const result = read(text)
      return result.ok ? result.text : text
    })
    .superRefine((text, context) => {
      const result = read(text)
      if (!result.ok) context.addIssue({ code: 'custom', message: result.detail })
    })
}

const registration = {
  uri: z.string({ error: 'uri must be the channel URI as Windows gave it, a text' }),
  tags: z
    .array(tagNameSchema, { error: 'tags must be an array of tag names' })
    .max(MAX_TAGS_PER_CHANNEL, { error: `a channel may have at most ${MAX_TAGS_PER_CHANNEL} tags` })
    .nullish(),
  locale: localeSchema.nullish(),
  timeZone: timeZoneSchema.nullish().meta({
    description:
      'Name of the IANA database, such as `Europe/Berlin`: where a campaign at a local time finds the device.',
  }),
  vars: varsSchema.nullish(),
  optedOut: z
    .boolean({ error: 'optedOut must be true or false' })
    .nullish()
    .meta({ description: 'True excludes the channel from every audience.' }),
  optedOutOf: z
    .array(topicNameSchema, { error: 'optedOutOf must be an array of topics' })
    .max(MAX_TOPICS_PER_CHANNEL, { error: `a channel may opt out of at most ${MAX_TOPICS_PER_CHANNEL} topics` })
    .nullish()
    .meta({ description: 'Topics whose campaigns the channel does not get; the list replaces the one before.' }),
}

/** An absent field keeps its value, null clears it. */
export const channelRequestSchema = z.strictObject(registration).meta({ id: 'ChannelRequest' })
export const importLineSchema = z
  .strictObject({
    channel: channelIdSchema,
    ...registration,
    uri: registration.uri.optional().meta({
      description: 'Absent, the line changes a channel that is registered; of any other it stores the opt-outs alone.',
    }),
    registeredAt: registeredAtSchema.nullish().meta({
      description:
        'When the device got this URI; absent or null, the time of the import. ' +
        'Where the URI is unchanged, a later time that is stored stays.',
    }),
  })
  .meta({ id: 'ImportLine' })
/** A JSON merge patch: an absent field and an absent variable keep their value, null clears them. */
export const channelPatchSchema = z
  .strictObject({
    ...registration,
    uri: registration.uri.optional(),
    vars: z
      .record(z.string(), z.string({ error: varText }).max(MAX_VAR_LENGTH, { error: varText }).nullable(), {
        error: 'vars must be an object of texts and nulls, such as {"name": "Ada", "city": null}',
      })
      .superRefine(checkVars)
      .nullish()
      .meta({ description: 'Variables that are not named stay; null removes one, or all of them.' }),
  })
  .meta({ id: 'ChannelPatch' })

/**
 * A registration that passed every check: the URI is one that a bearer token may be sent to. An absent field keeps its
 * value, null clears it.
 */
export interface Registration {
  readonly channel: ChannelId
  readonly uri?: ChannelUri
  readonly tags?: readonly string[] | null | undefined
  readonly locale?: string | null | undefined
  /** Canonical name of the IANA database. */
  readonly timeZone?: string | null | undefined
  readonly vars?: Readonly<Record<string, string>> | null | undefined
  /** Instead of `vars`: variables to set, and with null those to remove. */
  readonly varsPatch?: Readonly<Record<string, string | null>> | undefined
  readonly optedOut?: boolean | null | undefined
  /** Topics; the list replaces the one before. */
  readonly optedOutOf?: readonly string[] | null | undefined
  /** Instead of `optedOutOf`: one topic to opt out of, or into again. */
  readonly topicPatch?: { readonly topic: string; readonly isOut: boolean } | undefined
  /** ISO 8601 in whole seconds. Absent or null, the time at which Redis stores the registration. */
  readonly registeredAt?: string | null | undefined
}

export const channelSchema = z
  .strictObject({
    channel: z.string(),
    tags: z.array(z.string()),
    locale: z.string().optional(),
    timeZone: z.string().optional(),
    optedOut: z
      .literal(true)
      .meta({ description: 'The channel opted out and gets nothing; absent where it did not.' })
      .optional(),
    optedOutOf: z
      .array(z.string())
      .meta({ description: 'Topics that the channel opted out of; absent if there are none.' })
      .optional(),
    rawGate: z
      .literal('closed')
      .meta({ description: 'Raw notifications wait until the app calls or registers; absent while the gate is open.' })
      .optional(),
    registeredAt: z.string(),
  })
  .meta({ id: 'Channel' })
/** What the API shows of a channel: never its URI, which is a capability. */
export type Channel = z.infer<typeof channelSchema>

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly inputErrors: readonly InputError[] }

export const listedChannelSchema = channelSchema
  .extend({
    registered: z
      .literal(false)
      .meta({ description: 'The channel is dead or was removed, and its opt-outs stay; absent for a registered one.' })
      .optional(),
  })
  .meta({ id: 'ListedChannel' })
export type ListedChannel = z.infer<typeof listedChannelSchema>

/** Parse one line of an import, `{channel, uri?, tags?, locale?, vars?, …}`; reports all errors at once. */
export function parseImportLine(input: unknown): Parsed<Registration> {
  return parseWith(importLineSchema, withTexts(input))
}

/** A line as databases write it: ids and variables that are numbers or truths become texts, nulls no variables. */
function withTexts(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input
  const { channel, vars } = input as Readonly<Record<string, unknown>>
  const isRecord = typeof vars === 'object' && vars !== null && !Array.isArray(vars)
  if (typeof channel !== 'number' && !isRecord) return input
  return {
    ...input,
    ...(typeof channel === 'number' && Number.isSafeInteger(channel) ? { channel: String(channel) } : {}),
    ...(isRecord ? { vars: Object.fromEntries(Object.entries(vars).flatMap(variableAsText)) } : {}),
  }
}

function variableAsText([name, value]: [string, unknown]): [string, unknown][] {
  if (value === null) return []
  return [[name, typeof value === 'number' || typeof value === 'boolean' ? String(value) : value]]
}

/** Parse the body of a `PUT`: like a line of an import, and its URI must be there. */
export function parseChannelRequest(channel: ChannelId, body: object): Parsed<Registration> {
  return parseWith(requestLineSchema, { ...body, channel })
}

/** Parse a merge patch of one channel. */
export function parseChannelPatch(channel: ChannelId, body: object): Parsed<Registration> {
  const parsed = parseWith(patchLineSchema, { ...body, channel })
  if (!parsed.ok) return parsed
  const { vars, ...rest } = parsed.value
  if (vars === undefined || vars === null) return parsed
  return { ok: true, value: { ...rest, varsPatch: vars } }
}

const requestLineSchema = z.strictObject({ ...channelRequestSchema.shape, channel: channelIdSchema })
const patchLineSchema = z.strictObject({ ...channelPatchSchema.shape, channel: channelIdSchema })

function parseWith(schema: z.ZodType, input: unknown): Parsed<Registration> {
  const line = schema.safeParse(input)
  const rawUri = typeof input === 'object' && input !== null && 'uri' in input ? input.uri : undefined
  const uri = rawUri === undefined ? undefined : parseChannelUri(rawUri)
  const errors = line.success ? [] : inputErrorsOf(line.error.issues, schema)
  if (uri?.ok === false && typeof rawUri === 'string')
    errors.push({ path: ['uri'], code: 'channel-uri', detail: uri.detail })
  if (!line.success || uri?.ok === false) return { ok: false, inputErrors: errors }
  const { uri: _, tags, ...rest } = line.data as z.infer<typeof importLineSchema>
  const different = tags === undefined ? {} : { tags: tags === null ? null : [...new Set(tags)] }
  const value = { ...rest, channel: rest.channel as ChannelId, ...(uri === undefined ? {} : { uri: uri.uri }) }
  return { ok: true, value: { ...value, ...different } }
}
