import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

export interface Target {
  readonly expr: string
  readonly legendFormat: string
  readonly instant?: boolean
}

/** What tests and pictures read of a panel of a committed dashboard. */
export interface Panel {
  readonly title: string
  readonly description?: string
  readonly type: 'row' | 'stat' | 'timeseries' | 'heatmap' | 'state-timeline' | 'table'
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly Target[]
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string
      readonly max?: number
      readonly thresholds?: { readonly steps: readonly { readonly value: number | null; readonly color: string }[] }
      readonly mappings?: readonly { readonly options: Readonly<Record<string, { text: string; color: string }>> }[]
      readonly custom?: {
        readonly stacking?: { readonly mode: string }
        readonly thresholdsStyle?: { readonly mode: string }
      }
    }
    readonly overrides?: readonly {
      readonly matcher: { readonly options: string }
      readonly properties: readonly {
        readonly value: { readonly fixedColor?: string; readonly dash?: readonly number[] }
      }[]
    }[]
  }
  readonly transformations?: readonly {
    readonly options: { readonly renameByName: Readonly<Record<string, string>> }
  }[]
}

export interface Dashboard {
  readonly title: string
  readonly panels: readonly Panel[]
  readonly annotations: {
    readonly list: readonly { readonly name: string; readonly expr: string; iconColor: string }[]
  }
}

export const dashboardNames = ['overview', 'delivery', 'internals'] as const

export function committedDashboard(name: string): Dashboard {
  const file = fileURLToPath(new URL(`../../infra/grafana/dashboards/${name}.json`, import.meta.url))
  return JSON.parse(readFileSync(file, 'utf8')) as Dashboard
}

/** The query as Grafana sends it when every variable is "All". */
export function asked(expr: string, rateInterval: string): string {
  return expr.replaceAll(/\$(cluster|namespace|app|instance)\b/g, '.*').replaceAll('$__rate_interval', rateInterval)
}
