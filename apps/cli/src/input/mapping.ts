import type { MappedField, TableMapping } from '@wns-fanout/domain'
import { mappedFields } from '@wns-fanout/domain'
import { InvalidArgumentError } from 'commander'
import { names } from './arguments.ts'

/** How databases write that a column has no value, unless `--null` names other texts. */
const usualNulls = ['\\N', 'NULL']

export interface MappingOptions {
  readonly map?: Readonly<Partial<Record<MappedField, string>>>
  readonly tagFrom?: readonly string[]
  readonly var?: Readonly<Record<string, string>>
  readonly null?: readonly string[]
}

/** Fields and their columns, such as `channel=device_id,uri=channel_url`. */
export function fieldColumns(text: string, before: MappingOptions['map'] = {}): MappingOptions['map'] {
  const columns: Partial<Record<MappedField, string>> = { ...before }
  for (const pair of names(text)) {
    const [name = '', column = ''] = halves(pair)
    const field = mappedFields.find((one) => one.toLowerCase() === name.toLowerCase())
    if (field === undefined || column === '')
      throw new InvalidArgumentError(`It must be field=column, with a field of ${mappedFields.join(', ')}.`)
    columns[field] = column
  }
  return columns
}

/** Variables and their columns: `city`, or `name=column`. */
export function variableColumns(text: string, before: MappingOptions['var'] = {}): MappingOptions['var'] {
  const pairs = names(text).map((pair) => {
    const [name = '', column = name] = halves(pair)
    if (name === '' || column === '') throw new InvalidArgumentError('It must be a column, or variable=column.')
    return [name, column] as const
  })
  return { ...before, ...Object.fromEntries(pairs) }
}

function halves(pair: string): readonly string[] {
  const at = pair.indexOf('=')
  return at < 0 ? [pair] : [pair.slice(0, at).trim(), pair.slice(at + 1).trim()]
}

/**
 * The mapping that the options ask for. Fields without a column of their own have the column with their name, where it
 * exists.
 *
 * @param isCsv whether names are in lower case and an empty cell means that the field stays
 */
export function mappingOf(options: MappingOptions, isCsv: boolean): TableMapping {
  const named = (column: string): string => (isCsv ? column.toLowerCase() : column)
  const columns = mappedFields.map((field) => [field, named(options.map?.[field] ?? field)] as const)
  const vars = Object.entries(options.var ?? {}).map(([name, column]) => [name, named(column)] as const)
  return {
    columns: Object.fromEntries(columns),
    tagsFrom: (options.tagFrom ?? []).map(named),
    vars: Object.fromEntries(vars),
    nulls: new Set(options.null ?? usualNulls),
    emptyKeeps: isCsv,
  }
}

/** The columns that must exist: all that the options name, and the id. */
export function requiredColumns(options: MappingOptions, isCsv: boolean): string[] {
  const asked = [
    options.map?.channel ?? 'channel',
    ...Object.values(options.map ?? {}),
    ...(options.tagFrom ?? []),
    ...Object.values(options.var ?? {}),
  ]
  return [...new Set(isCsv ? asked.map((name) => name.toLowerCase()) : asked)]
}
