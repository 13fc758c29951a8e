/**
 * Description and example of fields by name, `parent.name` before `name`. The parent is the schema or the field that
 * holds it. An empty description leaves the one of the schema; an example that is null leaves it to the fields inside.
 */
export type FieldTexts = Readonly<Record<string, readonly [description: string, example: unknown]>>
