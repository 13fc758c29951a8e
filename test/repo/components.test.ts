import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { root, textOf } from './files.ts'

// The components of infra/k8s, each rendered by kubectl over the base; without kubectl these tests do not exist.

interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: Readonly<Record<string, unknown>>
  readonly value?: number
}
interface Pod {
  readonly metadata: { readonly annotations?: Readonly<Record<string, string>> }
  readonly spec: { readonly priorityClassName?: string }
}

const programs = spawnSync('kubectl', ['version', '--client']).status === 0 ? ['kubectl'] : []

function renderWith(...components: readonly string[]): readonly Resource[] {
  const folder = mkdtempSync(join(tmpdir(), 'wns-fanout-overlay-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = (inside: string): string => relative(folder, join(root, inside))
  const overlay = { resources: [path('infra/k8s/base')], components: components.map(path) }
  writeFileSync(join(folder, 'kustomization.yaml'), JSON.stringify(overlay))
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', folder], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the overlay does not render: ${stderr}`)
  return parseAllDocuments(stdout).map((document) => document.toJS() as Resource)
}

function podsOf(resources: readonly Resource[]): readonly Pod[] {
  return resources.filter(({ kind }) => kind === 'Deployment').map(({ spec }) => spec['template'] as Pod)
}

describe.each(programs)('%s renders', () => {
  test('the base with annotations for a Prometheus that follows them, and no PodMonitor', () => {
    const resources = renderWith()
    expect(resources.filter(({ kind }) => kind === 'PodMonitor')).toEqual([])
    for (const { metadata } of podsOf(resources)) expect(metadata.annotations).toHaveProperty(['prometheus.io/scrape'])
  })

  test('PodMonitors without those annotations, so that no pod is scraped twice', () => {
    const resources = renderWith('infra/k8s/components/pod-monitor')
    const monitors = resources.filter(({ kind }) => kind === 'PodMonitor')
    expect(monitors.map(({ metadata }) => metadata.name)).toEqual(['wns-fanout-api', 'wns-fanout-worker'])
    expect(podsOf(resources)).toHaveLength(2)
    for (const { metadata } of podsOf(resources)) {
      expect(Object.keys(metadata.annotations ?? {}).filter((name) => name.startsWith('prometheus.io/'))).toEqual([])
    }
  })

  test('a HorizontalPodAutoscaler in place of the ScaledObject, with the same limits and the same pace', () => {
    const [scaled] = renderWith().filter(({ kind }) => kind === 'ScaledObject')
    const resources = renderWith('infra/k8s/components/hpa')
    expect(resources.filter(({ kind }) => kind === 'ScaledObject')).toEqual([])
    const [hpa] = resources.filter(({ kind }) => kind === 'HorizontalPodAutoscaler')
    const advanced = scaled?.spec['advanced'] as { horizontalPodAutoscalerConfig: { behavior: unknown } }
    expect(hpa?.spec).toMatchObject({
      scaleTargetRef: scaled?.spec['scaleTargetRef'] as object,
      minReplicas: scaled?.spec['minReplicaCount'],
      maxReplicas: scaled?.spec['maxReplicaCount'],
      behavior: advanced.horizontalPodAutoscalerConfig.behavior,
    })
    expect(hpa?.spec['metrics']).toMatchObject([{ external: { metric: { name: 'wns_fanout_workers_wanted' } } }])
  })

  test('an Ingress with TLS that passes uploads and streams on as they arrive', () => {
    const resources = renderWith('infra/k8s/components/ingress')
    const [ingress] = resources.filter(({ kind }) => kind === 'Ingress')
    const { tls, rules } = (ingress?.spec ?? {}) as unknown as {
      tls: { hosts: string[] }[]
      rules: { host: string; http: { paths: { backend: { service: { name: string; port: { name: string } } } }[] } }[]
    }
    expect(tls.flatMap(({ hosts }) => hosts)).toEqual(rules.map(({ host }) => host))
    const { service } = rules[0]?.http.paths[0]?.backend ?? {}
    const [target] = resources.filter(({ kind, metadata }) => kind === 'Service' && metadata.name === service?.name)
    expect(target?.spec['ports']).toMatchObject([{ name: service?.port.name }])
    const nginx = (name: string): string | undefined =>
      ingress?.metadata.annotations?.[`nginx.ingress.kubernetes.io/${name}`]
    expect(nginx('proxy-body-size')).toBe('0')
    for (const name of ['proxy-buffering', 'proxy-request-buffering', 'proxy-next-upstream'])
      expect(nginx(name)).toBe('off')
    expect(Number(nginx('proxy-read-timeout'))).toBeGreaterThanOrEqual(3600)
  })

  test('a priority class that API and workers have, below those of the cluster itself', () => {
    const resources = renderWith('infra/k8s/components/priority')
    const [made] = resources.filter(({ kind }) => kind === 'PriorityClass')
    expect(made?.value).toBeLessThan(1_000_000_000)
    expect(podsOf(resources).map(({ spec }) => spec.priorityClassName)).toEqual(['wns-fanout', 'wns-fanout'])
  })

  test('all components together', () => {
    const names = ['alerts', 'hpa', 'ingress', 'pod-monitor', 'priority'].map((name) => `infra/k8s/components/${name}`)
    expect(renderWith(...names, 'infra/grafana').length).toBeGreaterThanOrEqual(20)
  })
})

// The script of a Redis beside Sentinels, with programs that show what it would start.
function startRedis(answers: Readonly<Record<string, string>>): readonly string[] {
  const folder = mkdtempSync(join(tmpdir(), 'wns-fanout-start-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const program = (name: string, text: string): void => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`)
    chmodSync(join(folder, name), 0o755)
  }
  const cases = Object.entries(answers).map(([host, answer]) => `${host}.redis-sentinel) printf '${answer}' ;;`)
  program('hostname', 'echo redis-1')
  // The first question of all has no answer, as while the Sentinels start.
  program(
    'redis-cli',
    `[ -f ${folder}/asked ] || { touch ${folder}/asked; exit 1; }; case "$2" in ${cases.join(' ')} esac`,
  )
  program('sleep', ':')
  program('redis-server', 'echo "$@"')
  const script = join(root, 'infra/k8s/overlays/with-sentinel/start-redis.sh')
  const { stdout, status } = spawnSync('/bin/sh', [script], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { PATH: `${folder}:/usr/bin:/bin` },
  })
  expect(status).toBe(0)
  return stdout.trim().split(' ')
}

const asPrimary = ['/etc/redis/redis.conf', '--replica-announce-ip', 'redis-1.redis']

test('a Redis starts as the primary if a Sentinel names it', () => {
  expect(startRedis({ 'redis-sentinel-2': String.raw`redis-1.redis\n6379\n` })).toEqual(asPrimary)
})

test('a Redis starts as a replica of the primary that a Sentinel names, whatever its own number', () => {
  expect(startRedis({ 'redis-sentinel-1': String.raw`redis-2.redis\n6379\n` })).toEqual([
    ...asPrimary,
    '--replicaof',
    'redis-2.redis',
    '6379',
  ])
})

test('an error of a Sentinel names no primary', () => {
  const answers = {
    'redis-sentinel-0': String.raw`ERR no such master\n`,
    'redis-sentinel-1': String.raw`redis-0.redis\n`,
  }
  expect(startRedis(answers).slice(-2)).toEqual(['redis-0.redis', '6379'])
})

test('Redis beside Sentinels keeps everything, refuses writes without a replica, and every name has its Service', () => {
  const folder = 'infra/k8s/overlays/with-sentinel'
  const config = textOf(`${folder}/redis.conf`).split('\n')
  for (const line of ['appendonly yes', 'maxmemory-policy noeviction', 'min-replicas-to-write 1'])
    expect(config).toContain(line)
  expect(textOf(`${folder}/sentinel.conf`)).toMatch(/^sentinel monitor main redis-0\.redis 6379 2$/m)
  for (const [file, name] of [['redis.yaml', 'redis'] as const, ['sentinel.yaml', 'redis-sentinel'] as const]) {
    const documents = textOf(`${folder}/${file}`)
      .split(/^---$/m)
      .map((text) => parse(text) as Resource)
    const [service] = documents.filter(({ kind }) => kind === 'Service')
    expect(service).toMatchObject({ metadata: { name }, spec: { clusterIP: 'None', publishNotReadyAddresses: true } })
    const [set] = documents.filter(({ kind }) => kind === 'StatefulSet')
    expect(set?.spec).toMatchObject({ serviceName: name, replicas: 3, podManagementPolicy: 'Parallel' })
  }
})
