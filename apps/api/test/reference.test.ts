import { expect, test } from 'vitest'
import * as z from 'zod'
import { operations } from '../src/reference/operations.ts'
import { setup } from './support.ts'

// The texts are in the schemas (`meta`), or in the tables of `src/reference`.

interface Schema {
  readonly $ref?: string
  readonly description?: string
  readonly example?: unknown
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
}

interface Operation {
  readonly operationId?: string
  readonly summary?: string
  readonly description?: string
  readonly parameters?: readonly (Schema & { readonly name: string; readonly schema: Schema })[]
  readonly requestBody?: Body
  readonly responses: Readonly<Record<string, Body>>
}

interface Body {
  readonly content?: Readonly<Record<string, { readonly schema: Schema; readonly example?: unknown }>>
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> }
}

interface Field {
  readonly name: string
  readonly schema: Schema
}

async function readDocument(): Promise<Document> {
  const { call } = await setup()
  return (await call('GET', '/openapi.json', { key: null })).json
}

function operationsOf({ paths }: Document): (Operation & { readonly name: string })[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ ...operation, name: `${method.toUpperCase()} ${path}` })),
  )
}

/** Every field in a schema, also those of objects inside of it. */
function fieldsOf(schema: Schema | boolean | undefined, at: string): Field[] {
  if (typeof schema !== 'object') return []
  const inner = [...(schema.anyOf ?? []), ...(schema.oneOf ?? [])]
  return [
    ...Object.entries(schema.properties ?? {}).flatMap(([name, field]) => [
      { name: `${at}.${name}`, schema: field },
      ...fieldsOf(field, `${at}.${name}`),
    ]),
    ...inner.flatMap((branch) => fieldsOf(branch, at)),
    ...fieldsOf(schema.items, at),
    ...fieldsOf(schema.additionalProperties, at),
  ]
}

function allFields(document: Document): Field[] {
  const named = Object.entries(document.components.schemas).flatMap(([name, schema]) => fieldsOf(schema, name))
  const bodies = operationsOf(document).flatMap(({ operationId, name, requestBody, responses }) =>
    [requestBody, ...Object.values(responses)]
      .flatMap((body) => Object.values(body?.content ?? {}))
      .flatMap(({ schema }) => fieldsOf(schema, operationId ?? name)),
  )
  const parameters = operationsOf(document).flatMap(({ name, parameters: some = [] }) =>
    some.map((schema) => ({ name: `${name} ${schema.name}`, schema })),
  )
  return [...named, ...bodies, ...parameters]
}

/** The example is in the field, in the schema that it refers to, or in the fields of which it consists. */
function hasExample(schema: Schema, { schemas }: Document['components']): boolean {
  if (schema.example !== undefined || schema.examples !== undefined) return true
  const referred = schema.$ref?.split('/').at(-1)
  if (referred !== undefined) return hasExample(schemas[referred] ?? {}, { schemas })
  const inner = [
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    ...(schema.items === undefined ? [] : [schema.items]),
  ]
  return schema.properties !== undefined || inner.some((branch) => hasExample(branch, { schemas }))
}

test('every operation has a name, a summary, a description and an example of its body', async () => {
  const document = await readDocument()
  const lacking = operationsOf(document).flatMap((operation) => {
    const { name, operationId, summary, description = '', requestBody } = operation
    const media = Object.entries(requestBody?.content ?? {})
    return [
      ...(operationId === undefined ? [`${name}: operationId`] : []),
      ...(summary === undefined ? [`${name}: summary`] : []),
      ...(description.startsWith('Needs the verb') ? [`${name}: description`] : []),
      ...media.filter(([, { example }]) => example === undefined).map(([type]) => `${name}: example as ${type}`),
    ]
  })
  expect(lacking).toEqual([])
  const ids = operationsOf(document).map(({ operationId }) => operationId)
  expect(new Set(ids).size).toBe(ids.length)
})

test('the table of operations has the operations that there are', async () => {
  const names = operationsOf(await readDocument()).map(({ name }) => name)
  expect(Object.keys(operations).toSorted()).toEqual(names.toSorted())
})

test('every schema and every field has a description, and every field has an example', async () => {
  const document = await readDocument()
  const { schemas } = document.components
  const undescribed = Object.entries(schemas).filter(([, { description }]) => description === undefined)
  expect(undescribed.map(([name]) => name)).toEqual([])
  const fields = allFields(document)
  expect(fields.length).toBeGreaterThan(500)
  expect(fields.filter(({ schema }) => (schema.description ?? '') === '').map(({ name }) => name)).toEqual([])
  expect(fields.filter(({ schema }) => !hasExample(schema, { schemas })).map(({ name }) => name)).toEqual([])
})

test('every example of a field fits its schema', async () => {
  const document = await readDocument()
  const $defs = readable(document.components.schemas)
  const judged = new Set<string>()
  const misfits = allFields(document).flatMap(({ name, schema }) => {
    const [example] = schema.examples ?? []
    const text = JSON.stringify(schema)
    // Many schemas have fields in common.
    if (example === undefined || judged.has(text)) return []
    judged.add(text)
    const parsed = z.fromJSONSchema({ ...readable(schema), $defs }).safeParse(example)
    return parsed.success ? [] : [`${name}: ${JSON.stringify(example)} ${z.prettifyError(parsed.error)}`]
  })
  expect(misfits).toEqual([])
})

/** As `z.fromJSONSchema` reads it, without alternatives that differ only in the field that is required. */
function readable(schema: unknown): Record<string, never> {
  const text = JSON.stringify(schema, (key, value) =>
    key === 'oneOf' && value.every((branch: object) => Object.keys(branch).join('') === 'required') ? undefined : value,
  )
  return JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/'))
}
