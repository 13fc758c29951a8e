import { writeFileSync } from 'node:fs'
import { parse, stringify } from 'yaml'
import { root, textOf } from './files.ts'

// Writes the PrometheusRule of Kubernetes from the alerts of infra/prometheus, as `pnpm generate:rules`.
const { groups } = parse(textOf('infra/prometheus/alerts.yaml')) as { groups: unknown }
const rule = {
  apiVersion: 'monitoring.coreos.com/v1',
  kind: 'PrometheusRule',
  metadata: { name: 'wns-fanout', labels: { 'app.kubernetes.io/name': 'wns-fanout' } },
  spec: { groups },
}
const head = '# Written by `pnpm generate:rules` from infra/prometheus/alerts.yaml. Change that file.\n'
writeFileSync(`${root}/infra/k8s/components/alerts/prometheus-rule.yaml`, head + stringify(rule, { lineWidth: 118 }))
