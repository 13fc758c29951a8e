import { realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, resolve, sep } from 'node:path'
import type { AppId } from '@wns-fanout/domain'
import { parseSecret } from '@wns-fanout/domain'
import { readSecretFile } from './secret-file.ts'

/** Where this process finds the secrets that apps refer to. */
export interface SecretPlaces {
  /** Folder with a folder for each app; without it an app may refer to nothing. */
  readonly dir?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
}

/** The secret, or why there is none: in a log only, because it describes files and variables of this process. */
type ReadSecret = { readonly ok: true; readonly secret: string } | { readonly ok: false; readonly reason: string }

/**
 * The secrets that an app may refer to: `env:` a variable named after the app, `file:` a file in the app's own folder.
 * The administrator of one app must reach neither the secret of another nor a file of the process.
 */
export class SecretReferences {
  readonly #dir: string | undefined
  readonly #env: SecretPlaces['env']

  constructor({ dir, env }: SecretPlaces) {
    this.#dir = dir === undefined ? undefined : resolve(dir)
    this.#env = env
  }

  /** Why the app may not have this reference; undefined when it may. Reads nothing. */
  refusal(app: AppId, ref: string): string | undefined {
    if (this.#dir === undefined)
      return 'secrets by reference are off in this installation; give the secret itself, or set WNS_FANOUT_SECRETS_DIR'
    if (ref.startsWith('env:')) {
      const prefix = variablePrefix(app)
      return isVariableOf(prefix, ref.slice(4))
        ? undefined
        : `the app ${app} may refer to variables ${prefix}<NAME> only, NAME of A-Z, 0-9 and single "_"`
    }
    const folder = join(this.#dir, app)
    return isBelow(folder, resolve(folder, ref.slice('file:'.length)))
      ? undefined
      : `the app ${app} may refer to files in its folder <WNS_FANOUT_SECRETS_DIR>/${app} only`
  }

  /** Reads the secret each time, so that a rotated file counts at once. */
  async read(app: AppId, ref: string): Promise<ReadSecret> {
    const reason = this.refusal(app, ref)
    if (reason !== undefined) return { ok: false, reason }
    const text = ref.startsWith('env:') ? this.#variable(ref.slice(4)) : await this.#file(app, ref.slice(5))
    if (!text.ok) return { ok: false, reason: text.detail }
    const parsed = parseSecret(text.text)
    return parsed.ok ? parsed : { ok: false, reason: parsed.detail }
  }

  #variable(name: string) {
    const text = Object.hasOwn(this.#env, name) ? this.#env[name] : undefined
    return text === undefined
      ? ({ ok: false, detail: 'the variable is not set in this process' } as const)
      : ({ ok: true, text } as const)
  }

  async #file(app: AppId, path: string) {
    const folder = join(this.#dir ?? '', app)
    try {
      // A mounted Kubernetes Secret consists of links, so links are followed, but not out of the app's folder.
      const [realFolder, realFile] = await Promise.all([realpath(folder), realpath(resolve(folder, path))])
      if (!isBelow(realFolder, realFile)) return { ok: false, detail: 'the file is a link out of the folder' } as const
      return await readSecretFile(realFile)
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
      return { ok: false, detail: `the file cannot be read by this process (${code})` } as const
    }
  }
}

/** Each "-" becomes "__", so that no variable of the app `news-eu` has the prefix of the app `news`. */
function variablePrefix(app: AppId): string {
  return `WNS_FANOUT_SECRET_${app.toUpperCase().replaceAll('-', '__')}_`
}

function isVariableOf(prefix: string, name: string): boolean {
  return name.startsWith(prefix) && /^[A-Z0-9]+(?:_[A-Z0-9]+)*$/.test(name.slice(prefix.length))
}

function isBelow(folder: string, path: string): boolean {
  const steps = relative(folder, path)
  return steps !== '' && steps !== '..' && !steps.startsWith(`..${sep}`) && !isAbsolute(steps)
}
