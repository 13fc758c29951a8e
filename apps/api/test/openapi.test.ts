import { expect, test } from 'vitest'
import { rules } from '../src/access.ts'
import { setup } from './support.ts'

interface Operation {
  readonly summary: string
  readonly description: string
  readonly responses: Readonly<Record<string, { readonly content?: object }>>
}

test('the description names every route that there is, and nothing else', async () => {
  const { call } = await setup()
  const { status, json } = await call('GET', '/openapi.json', { key: null })
  expect(status).toBe(200)
  expect(json.openapi).toBe('3.1.0')
  const described = Object.entries(json.paths).flatMap(([path, operations]) =>
    Object.keys(operations as object).map((method) => `${method.toUpperCase()} ${path}`),
  )
  const known = Object.keys(rules).map((name) =>
    name
      .replaceAll('::', '%')
      .replaceAll(/:(\w+)/g, '{$1}')
      .replaceAll('%', ':'),
  )
  expect(described.toSorted()).toEqual(known.toSorted())
  expect(described.toSorted()).toMatchSnapshot()
})

test('every reference leads somewhere, nothing is described twice, and answers without a body have none', async () => {
  const { call } = await setup()
  const { json, text } = await call('GET', '/openapi.json', { key: null })
  const names = new Set(Object.keys(json.components.schemas))
  const referred = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name))
  expect([...referred].toSorted()).toEqual([...names].toSorted())
  expect(names).toContain('CampaignRequest')
  expect([...names].filter((name) => name.endsWith('Input') && names.has(name.slice(0, -5)))).toEqual([])

  for (const operations of Object.values<Record<string, Operation>>(json.paths)) {
    for (const operation of Object.values(operations)) {
      expect(operation.summary).not.toBe('')
      expect(operation.description).toMatch(/Needs the verb `(read|register|send|admin)`/)
      expect(operation.responses['204']?.content).toBeUndefined()
      expect(Object.keys(operation.responses['4XX']?.content ?? {})).toEqual(['application/problem+json'])
      expect(Object.keys(operation.responses).some((status) => status.startsWith('2'))).toBe(true)
    }
  }
  expect(Object.keys(json.paths['/v1/apps/{app}/channels:import'].post.requestBody.content)).toEqual([
    'application/x-ndjson',
    'text/csv',
  ])
})

test('the page that shows it loads nothing from elsewhere', async () => {
  const { call } = await setup()
  const page = await call('GET', '/docs/', { key: null })
  expect(page.status).toBe(200)
  expect(page.text).toContain('swagger-ui')
  expect(page.headers['content-security-policy']).toContain("default-src 'none'")
  expect(page.text).not.toMatch(/(src|href)="https?:/)
})

test('the description and its page can be off', async () => {
  const { call } = await setup({ server: { hasDocs: false } })
  for (const path of ['/openapi.json', '/docs', '/docs/', '/docs/static/index.css'])
    expect([path, (await call('GET', path, { key: null })).status]).toEqual([path, 404])
  expect((await call('GET', '/v1/apps')).status).toBe(200)
})
