import * as z from 'zod'
import { operations } from './operations.ts'
import { schemaTexts } from './schemas.ts'
import { textsOf } from './texts.ts'

// Fills in what the schemas of the routes leave out. What a schema itself has stays.

const schema = z.looseObject({
  $ref: z.string().optional(),
  description: z.string().optional(),
  examples: z.array(z.unknown()).optional(),
  example: z.unknown().optional(),
  const: z.unknown().optional(),
  enum: z.array(z.unknown()).optional(),
  type: z.unknown().optional(),
})
type Schema = z.infer<typeof schema>

const parameter = z.looseObject({
  in: z.string(),
  name: z.string(),
  description: z.string().optional(),
  example: z.unknown().optional(),
  schema,
})

export interface Operation {
  operationId?: string | undefined
  description?: string | undefined
  summary?: string | undefined
  parameters?: unknown[] | undefined
  requestBody?: unknown
  responses?: Record<string, { content?: unknown }> | undefined
  [other: string]: unknown
}

/** Add names, descriptions and examples to an operation, in place. */
export function completeOperation(name: string, operation: Operation): void {
  const texts = operations[name]
  if (texts === undefined) return
  operation.operationId ??= texts.id
  if (texts.description !== undefined && operation.description?.includes(texts.description) !== true)
    operation.description = [texts.description, operation.description].filter(Boolean).join(' ')
  operation.parameters = operation.parameters?.map((one) => completeParameter(parameter.parse(one), texts.id))
  for (const content of [operation.requestBody, ...Object.values(operation.responses ?? {})])
    for (const media of Object.values(contentOf(content))) completeSchema(media.schema, [texts.id])
  for (const [type, example] of Object.entries(texts.bodies ?? {})) {
    const media = contentOf(operation.requestBody)[type]
    if (media !== undefined) media.example ??= example
  }
}

/** The operations in the order of the table, in which each one works after those before it. */
export function inOrder<T>(
  paths: Readonly<Record<string, Readonly<Record<string, T>>>>,
): Record<string, Record<string, T>> {
  const names = Object.keys(operations)
  const places = Object.entries(paths).map(([path, methods]) => {
    const placed = Object.entries(methods)
      .map(([method, operation]) => ({ method, operation, at: placeOf(`${method.toUpperCase()} ${path}`, names) }))
      .toSorted((a, b) => a.at - b.at)
    return {
      path,
      at: placed[0]?.at ?? 0,
      methods: placed.map(({ method, operation }) => [method, operation] as const),
    }
  })
  return Object.fromEntries(
    places.toSorted((a, b) => a.at - b.at).map(({ path, methods }) => [path, Object.fromEntries(methods)]),
  )
}

function placeOf(name: string, names: readonly string[]): number {
  const at = names.indexOf(name)
  return at === -1 ? names.length : at
}

/** Add descriptions and examples to the named schemas and their fields, in place. */
export function completeSchemas(schemas: Readonly<Record<string, unknown>>): void {
  for (const [name, one] of Object.entries(schemas)) {
    const plain = name.replace(/Input$/, '')
    if (!isSchema(one)) continue
    one.description ??= schemaTexts[plain]
    completeSchema(one, [plain])
  }
}

interface Media {
  schema?: unknown
  example?: unknown
}

function contentOf(holder: unknown): Record<string, Media> {
  const content = typeof holder === 'object' && holder !== null && 'content' in holder ? holder.content : undefined
  return typeof content === 'object' && content !== null ? (content as Record<string, Media>) : {}
}

function completeParameter(one: z.infer<typeof parameter>, operation: string): unknown {
  const texts = textsOf([operation, one.in], one.name)
  const description = one.description ?? one.schema.description ?? texts?.[0]
  const example = one.example ?? one.schema.examples?.[0] ?? one.schema.example ?? texts?.[1]
  return {
    ...one,
    ...(description === undefined ? {} : { description }),
    ...(example === undefined ? {} : { example }),
  }
}

/** @param parents the names that hold the schema, the nearest first */
function completeSchema(one: unknown, parents: readonly string[]): void {
  if (!isSchema(one)) return
  for (const [name, field] of Object.entries(recordIn(one, 'properties'))) {
    if (isSchema(field)) completeField(field, parents, name)
    completeSchema(field, [name, ...parents])
  }
  for (const branch of ['anyOf', 'oneOf', 'allOf'].flatMap((key) => arrayIn(one, key)))
    completeSchema(branch, [...kindOf(branch), ...parents])
  completeSchema(one['items'], parents)
  completeSchema(one['additionalProperties'], parents)
}

function completeField(field: Schema, parents: readonly string[], name: string): void {
  const [description, example] = textsOf(parents, name) ?? ['', undefined]
  if (field.description === undefined && description !== '') field.description = description
  if (field.$ref !== undefined || field.examples !== undefined || field.example !== undefined) return
  const found = field.const ?? field.enum?.[0] ?? (example === null ? undefined : example)
  if (found !== undefined) field.examples = [found]
}

/** Of the branches of a union, the value of the field that distinguishes them. */
function kindOf(branch: unknown): string[] {
  if (!isSchema(branch)) return []
  const { type, kind } = recordIn(branch, 'properties')
  return [type, kind].flatMap((field) => (isSchema(field) && typeof field.const === 'string' ? [field.const] : []))
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function recordIn(one: Schema, key: string): Record<string, unknown> {
  const value = one[key]
  return isSchema(value) ? value : {}
}

function arrayIn(one: Schema, key: string): unknown[] {
  const value = one[key]
  return Array.isArray(value) ? value : []
}
