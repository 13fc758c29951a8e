import * as z from 'zod'

/** The documentation of an environment variable, which error messages use too. */
export interface VariableNotes {
  /** Completes "wanted …", for example "an integer from 0 to 65535". */
  readonly wanted: string
  /** Completes "set …", for example "PORT=8080". */
  readonly example: string
  /** One sentence for docs/configuration.md. */
  readonly meaning: string
  /** As written in the environment; absent when there is none. */
  readonly default?: string
  readonly usedBy: readonly string[]
  /** Another name that is read too; setting both to different values is an error. */
  readonly alias?: string
  /** True when a value may contain a credential; it is then never shown. */
  readonly secret?: boolean
}

export interface ConfigProblem {
  readonly variable: string
  readonly problem: string
}

/** Thrown by `readConfig`; the message lists every problem on its own line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly code = 'config-invalid'
  readonly problems: readonly ConfigProblem[]

  constructor(problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? '1 problem' : `${problems.length} problems`
    super([`The environment has ${count}:`, ...problems.map((p) => `  ${p.variable}: ${p.problem}`)].join('\n'))
    this.problems = problems
  }
}

const notesRegistry = z.registry<VariableNotes>()

/** Attaches notes to a schema. Call it last: `.default()` and `.optional()` return a new schema without them. */
export function variable<S extends z.ZodType>(schema: S, notes: VariableNotes): S {
  const target: z.ZodType = schema
  notesRegistry.add(target, notes)
  return schema
}

/** The notes that `variable` attached, if any. */
export function notesOf(schema: z.core.$ZodType): VariableNotes | undefined {
  return notesRegistry.get(schema)
}

/**
 * The typed configuration that `schema` (its keys are variable names) parses from `env`. An empty variable is unset.
 * Throws `ConfigError` with all problems at once, without the values of variables that may contain a credential.
 */
export function readConfig<S extends z.ZodObject>(schema: S, env: NodeJS.ProcessEnv): z.infer<S> {
  const given = Object.fromEntries(
    Object.entries(schema.shape).flatMap(([name, field]) => {
      const value = valueOf(env, name) ?? valueOf(env, notesOf(field)?.alias)
      return value === undefined ? [] : [[name, value]]
    }),
  )
  const parsed = schema.safeParse(given)
  const problems = [
    ...(parsed.error?.issues ?? []).map((issue) => describeIssue(schema, given, issue)),
    ...aliasProblems(schema, env),
    ...pairProblems(schema, given),
    ...certificateProblems(env),
    ...crashProblems(env),
  ]
  if (problems.length > 0 || !parsed.success) throw new ConfigError(problems)
  return parsed.data
}

function valueOf(env: NodeJS.ProcessEnv, name: string | undefined): string | undefined {
  const value = name === undefined ? undefined : env[name]?.trim()
  return value === '' ? undefined : value
}

function aliasProblems(schema: z.ZodObject, env: NodeJS.ProcessEnv): ConfigProblem[] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const alias = notesOf(field)?.alias
    const [value, other] = [valueOf(env, name), valueOf(env, alias)]
    if (alias === undefined || value === undefined || other === undefined || value === other) return []
    return [{ variable: name, problem: `wanted the same value as ${alias}; found another one; set only one of them` }]
  })
}

function describeIssue(schema: z.ZodObject, given: Record<string, string>, issue: z.core.$ZodIssue): ConfigProblem {
  const name = String(issue.path[0] ?? '')
  const field = schema.shape[name]
  if (field === undefined) return { variable: name === '' ? 'environment' : name, problem: issue.message }
  const notes = notesOf(field)
  const wanted = notes?.wanted ?? issue.message
  const todo = notes === undefined ? 'correct it' : `set for example ${name}=${notes.example}`
  return { variable: name, problem: `wanted ${wanted}; found ${shown(name, given[name], notes)}; ${todo}` }
}

const secretish = /SECRET|TOKEN|PASSWORD|PASS$|KEY|URL|PROXY|CREDENTIAL|AUTH|HEADERS/

function shown(name: string, value: string | undefined, notes: VariableNotes | undefined): string {
  if (value === undefined) return 'nothing'
  if (notes?.secret ?? secretish.test(name)) return `a value of ${value.length} characters (not shown)`
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
}

// A route without its certificate authority fails every handshake; the authority alone redirects nothing.
function pairProblems(schema: z.ZodObject, given: Record<string, string>): ConfigProblem[] {
  const pair = ['WNS_ROUTE_TO', 'WNS_CA_FILE']
  if (!pair.every((name) => name in schema.shape)) return []
  const missing = pair.filter((name) => given[name] === undefined)
  if (missing.length !== 1) return []
  const there = pair.find((name) => name !== missing[0])
  return [
    {
      variable: missing[0] ?? '',
      problem: `wanted together with ${there}; found only ${there}; set both (for a simulator) or none`,
    },
  ]
}

// The images set NODE_ENV, so a variable that was left from a test cannot end a process that sends.
function crashProblems(env: NodeJS.ProcessEnv): ConfigProblem[] {
  if (env['NODE_ENV'] !== 'production' || valueOf(env, 'WNS_CRASH_AT') === undefined) return []
  return [{ variable: 'WNS_CRASH_AT', problem: 'wanted unset with NODE_ENV=production; found a crash point; unset it' }]
}

// It would disable the certificate check of every connection, so that any server could pose as WNS.
function certificateProblems(env: NodeJS.ProcessEnv): ConfigProblem[] {
  const name = 'NODE_TLS_REJECT_UNAUTHORIZED'
  if (env[name]?.trim() !== '0') return []
  return [
    {
      variable: name,
      problem:
        'wanted unset; found "0", which turns certificate checks off; ' +
        'unset it and give a private authority in WNS_CA_FILE (WNS) or NODE_EXTRA_CA_CERTS (all others)',
    },
  ]
}
