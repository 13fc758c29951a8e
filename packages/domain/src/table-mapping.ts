import { tagFromText } from './tag-from-text.ts'

/** The fields of a line of an import that one column may hold. */
export const mappedFields = [
  'channel',
  'uri',
  'locale',
  'timeZone',
  'tags',
  'optedOut',
  'optedOutOf',
  'registeredAt',
] as const
export type MappedField = (typeof mappedFields)[number]

/** How the rows of a table become lines of an import. */
export interface TableMapping {
  /** The column of each field; fields without one are absent and keep their value. */
  readonly columns: Readonly<Partial<Record<MappedField, string>>>
  /** Columns with free texts, each of which becomes a tag. */
  readonly tagsFrom: readonly string[]
  /** Columns that become variables, by the name of the variable. */
  readonly vars: Readonly<Record<string, string>>
  /** Texts that mean that a column has no value, which clears its field. */
  readonly nulls: ReadonlySet<string>
  /** A text without characters keeps the field, as an empty cell of a CSV does. */
  readonly emptyKeeps: boolean
}

export type Row = Readonly<Record<string, unknown>>

export interface MappedRow {
  readonly line: Readonly<Record<string, unknown>>
  /** Texts of which a tag was made that is not the text itself; undefined where none can be made. */
  readonly madeTags: readonly (readonly [text: string, tag: string | undefined])[]
}

/** The columns that a mapping reads. */
export function columnsOf({ columns, tagsFrom, vars }: TableMapping): string[] {
  return [...new Set([...Object.values(columns), ...tagsFrom, ...Object.values(vars)])]
}

/** A row as a line of an import, which no schema has judged yet. */
export function mapRow(row: Row, mapping: TableMapping): MappedRow {
  const line: Record<string, unknown> = {}
  const valueOf = (column: string): string | null | undefined => textOf(row[column], mapping)
  for (const [field, column] of Object.entries(mapping.columns)) {
    if (field === 'tags') continue
    const value = valueOf(column)
    // Nothing can clear the id or the URI; both are judged as missing.
    if (value === undefined || (value === null && (field === 'channel' || field === 'uri'))) continue
    line[field] = value === null ? null : fieldValue(field, value)
  }
  const made = tagsOf(row, mapping)
  if (made !== undefined) line['tags'] = made.tags
  const vars = Object.entries(mapping.vars).flatMap(([name, column]) => {
    const value = valueOf(column)
    return value === undefined || value === null ? [] : [[name, value] as const]
  })
  if (Object.keys(mapping.vars).length > 0) line['vars'] = Object.fromEntries(vars)
  return { line, madeTags: made?.madeTags ?? [] }
}

/** The tags of a row: those of its column and those made from free texts. Undefined if its tags stay. */
function tagsOf(
  row: Row,
  mapping: TableMapping,
): { readonly tags: readonly string[]; readonly madeTags: MappedRow['madeTags'] } | undefined {
  const { columns, tagsFrom } = mapping
  const given = columns.tags === undefined ? undefined : row[columns.tags]
  const text = Array.isArray(given) ? given.map(String).join(';') : textOf(given, mapping)
  if (tagsFrom.length === 0 && text === undefined) return undefined
  const madeTags: [string, string | undefined][] = []
  const made = tagsFrom.flatMap((column) => {
    const value = textOf(row[column], mapping)
    if (value === undefined || value === null || value === '') return []
    const tag = tagFromText(value)
    if (tag !== value) madeTags.push([value, tag])
    return tag === undefined ? [] : [tag]
  })
  const listed = namesIn(text ?? '')
  return { tags: [...new Set([...listed, ...made])], madeTags }
}

/** A value as text; null where the table has none, undefined where the field keeps its value. */
function textOf(value: unknown, { nulls, emptyKeeps }: TableMapping): string | null | undefined {
  if (value === undefined) return undefined
  if (value === null) return null
  const text = typeof value === 'string' ? value : value instanceof Date ? value.toISOString() : asJson(value)
  if (nulls.has(text)) return null
  return text === '' && emptyKeeps ? undefined : text
}

/** Numbers, booleans and objects as JSON has them; NaN and the infinities, which JSON lacks, by their names. */
function asJson(value: unknown): string {
  return typeof value === 'number' ? String(value) : JSON.stringify(value)
}

function fieldValue(field: string, value: string): unknown {
  if (field === 'optedOut') return truthOf(value)
  return field === 'optedOutOf' ? namesIn(value) : value
}

/** The tags or topics of a cell. */
export function namesIn(text: string): string[] {
  return text.split(/[;,|\s]+/).filter((name) => name !== '')
}

const truths: ReadonlyMap<string, boolean> = new Map([
  ...['true', 't', '1', 'yes', 'y'].map((text) => [text, true] as const),
  ...['false', 'f', '0', 'no', 'n'].map((text) => [text, false] as const),
])

/** How databases and spreadsheets write true and false; another text stays, for the schema to reject. */
export function truthOf(text: string): boolean | string {
  return truths.get(text.toLowerCase()) ?? text
}
