import type { $ZodType, $ZodTypes } from 'zod/v4/core'

/** The names of the fields that an input of this schema may have at `path`, in any branch of a union. */
export function fieldsAt(schema: $ZodType, path: readonly (string | number)[]): string[] {
  const [step, ...rest] = path
  const found = branchesOf(schema).flatMap((branch) => {
    if (step === undefined) return branch.type === 'object' ? Object.keys(branch.shape) : []
    const inner = innerOf(branch, step)
    return inner === undefined ? [] : fieldsAt(inner, rest)
  })
  return [...new Set(found)]
}

type Definition = $ZodTypes['_zod']['def']

/** The schemas that an input can match, without what only wraps them. */
function branchesOf(schema: $ZodType): Definition[] {
  const { def } = schema as unknown as { readonly def: Definition }
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
      return branchesOf(def.innerType)
    case 'pipe':
      // A step before the schema is a transformation of the input, which has no fields of its own.
      return [def.in, def.out].flatMap((side) => branchesOf(side))
    case 'union':
      return def.options.flatMap((option) => branchesOf(option))
    default:
      return [def]
  }
}

function innerOf(def: Definition, step: string | number): $ZodType | undefined {
  switch (def.type) {
    case 'object':
      return Object.hasOwn(def.shape, step) ? def.shape[step] : undefined
    case 'array':
      return def.element
    case 'record':
      return def.valueType
    default:
      return undefined
  }
}
