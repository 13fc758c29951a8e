import { fastifySwagger } from '@fastify/swagger'
import { fastifySwaggerUi } from '@fastify/swagger-ui'
import { version } from '@wns-fanout/runtime'
import type { FastifyInstance } from 'fastify'
import { createJsonSchemaTransform, createJsonSchemaTransformObject } from 'fastify-type-provider-zod'
import * as z from 'zod'
import { completeOperation, completeSchemas, inOrder } from './reference/complete.ts'

/** `/openapi.json`, made from the schemas that check the requests, and a page to read it at `/docs`. */
export async function installOpenApi(app: FastifyInstance): Promise<void> {
  const withSchemas = createJsonSchemaTransformObject({})
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'wns-fanout',
        version,
        description:
          'Broadcast campaigns to Windows devices through WNS. ' +
          'Errors are `application/problem+json` with every error at once.',
      },
      components: { securitySchemes: { key: { type: 'http', scheme: 'bearer' } } },
      security: [{ key: [] }],
    },
    transform: createJsonSchemaTransform({ skipList: [] }),
    transformObject: (document) => tidy(documentSchema.parse(withSchemas(document))),
  })
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger())
  await app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    theme: { title: 'wns-fanout API' },
    // The page has no scripts of its own and loads nothing from elsewhere.
    staticCSP:
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
      "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    uiConfig: { url: '/openapi.json', deepLinking: true },
  })
}

const operationSchema = z.looseObject({
  operationId: z.string().optional(),
  description: z.string().optional(),
  parameters: z.array(z.unknown()).optional(),
  requestBody: z.unknown().optional(),
  responses: z.record(z.string(), z.looseObject({ content: z.unknown().optional() })).optional(),
})
const documentSchema = z.looseObject({
  openapi: z.literal('3.1.0'),
  info: z.object({ title: z.string(), version: z.string(), description: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), operationSchema)),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
})
type Document = z.infer<typeof documentSchema>

/** Add what the generator lacks: bodies that are streams, responses without a body, and the schemas in use. */
function tidy(document: Document): Document {
  for (const operations of Object.values(document.paths))
    for (const { responses = {} } of Object.values(operations)) delete responses['204']?.content
  for (const [path, method, content] of [...uploads, ...changes]) {
    const operation = document.paths[path]?.[method]
    if (operation === undefined) throw new Error(`the upload ${method} ${path} is no route`)
    operation.requestBody = { required: true, content }
  }
  return withTexts(withOneName(document))
}

function withTexts(document: Document): Document {
  for (const [path, operations] of Object.entries(document.paths))
    for (const [method, operation] of Object.entries(operations))
      completeOperation(`${method.toUpperCase()} ${path}`, operation)
  completeSchemas(document.components.schemas)
  return { ...document, paths: inOrder(document.paths) }
}

function lines(name: string) {
  return { 'application/x-ndjson': { schema: { $ref: `#/components/schemas/${name}` } } }
}

const uploads = [
  [
    '/v1/apps/{app}/channels:import',
    'post',
    { ...lines('ImportLineInput'), 'text/csv': { schema: { type: 'string' } } },
  ],
  [
    '/v1/apps/{app}/lists/{list}',
    'put',
    {
      'application/x-ndjson': {
        schema: {
          type: 'object',
          properties: { channel: { type: 'string' } },
          required: ['channel'],
          additionalProperties: false,
        },
      },
    },
  ],
] as const

const changes = ['tag', 'untag', 'delete', 'opt-out', 'opt-in', 'activate'].map(
  (kind) =>
    [
      `/v1/apps/{app}/channels:${kind}`,
      'post',
      {
        'application/json': {
          schema: {
            type: 'object',
            properties: { audience: { $ref: '#/components/schemas/AudienceInput' } },
            required: ['audience'],
            additionalProperties: false,
          },
        },
        'application/x-ndjson': {
          schema: { type: 'object', properties: { channel: { type: 'string' } }, required: ['channel'] },
        },
        'text/csv': { schema: { type: 'string' } },
        'text/plain': { schema: { type: 'string' } },
      },
    ] as const,
)

/**
 * The generator makes each schema twice, for requests and for responses. Where both are the same, or only one is
 * used, it gets the plain name; unused ones are left out.
 */
function withOneName(document: Document): Document {
  const { schemas } = document.components
  const used = reachable(JSON.stringify(document.paths), schemas)
  const renamed = [...used].filter((name) => {
    const plain = name.slice(0, -'Input'.length)
    return name.endsWith('Input') && plain in schemas && (!used.has(plain) || isSame(schemas[name], schemas[plain]))
  })
  const rename = <T>(value: T): T =>
    JSON.parse(
      JSON.stringify(value).replaceAll(/"#\/components\/schemas\/(\w+)Input"/g, (ref, name: string) =>
        renamed.includes(`${name}Input`) ? `"#/components/schemas/${name}"` : ref,
      ),
    )
  const kept = Object.fromEntries(
    [...used]
      .toSorted()
      .map((name) => [renamed.includes(name) ? name.slice(0, -'Input'.length) : name, rename(schemas[name])]),
  )
  return { ...document, paths: rename(document.paths), components: { ...document.components, schemas: kept } }
}

function isSame(input: unknown, output: unknown): boolean {
  return JSON.stringify(input).replaceAll(/(#\/components\/schemas\/\w+)Input"/g, '$1"') === JSON.stringify(output)
}

function reachable(text: string, schemas: Readonly<Record<string, unknown>>): Set<string> {
  const found = new Set<string>()
  const open = [text]
  for (let next = open.pop(); next !== undefined; next = open.pop())
    for (const [, name = ''] of next.matchAll(/"#\/components\/schemas\/(\w+)"/g)) {
      if (found.has(name)) continue
      found.add(name)
      open.push(JSON.stringify(schemas[name] ?? null))
    }
  return found
}
