import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'

const VERSION = 1
const IV_BYTES = 12
// Without a length Node accepts a tag of four bytes, which an attacker could guess.
const TAG_BYTES = 16
const KEY_BYTES = 32
const HOW_TO_MAKE_A_LINE = `node -e "console.log('k1', require('crypto').randomBytes(32).toString('base64'))"`

interface Key {
  readonly kid: string
  readonly key: Buffer
}

/**
 * Seals what may lie in Redis only unreadable: AES-256-GCM envelopes `version ‖ kid ‖ iv ‖ tag ‖ ciphertext` in base64.
 * The newest key seals, every key opens. The `aad` names what the envelope is for, so it cannot be moved elsewhere.
 */
export class Keyring {
  readonly #newest: Key
  readonly #keys: ReadonlyMap<string, Buffer>

  private constructor(newest: Key, keys: ReadonlyMap<string, Buffer>) {
    this.#newest = newest
    this.#keys = keys
  }

  /** Lines `kid base64-of-32-bytes`, newest first; empty lines and `#` comments are skipped. Throws with all errors. */
  static parse(text: string): Keyring {
    const inputErrors: string[] = []
    const keys = new Map<string, Buffer>()
    const lines = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/)
    if (text.includes('\0')) throw new TypeError('the keyring cannot be used: it is UTF-16; save it as UTF-8')
    let newest: Key | undefined
    for (const [index, line] of lines.entries()) {
      if (/^\s*(#.*)?$/.test(line)) continue
      const parsed = parseLine(line)
      if ('inputError' in parsed) {
        inputErrors.push(`line ${index + 1}: ${parsed.inputError}`)
      } else if (keys.has(parsed.kid)) {
        inputErrors.push(`line ${index + 1}: the key id ${parsed.kid} was used before; every key needs its own`)
      } else {
        keys.set(parsed.kid, parsed.key)
        newest ??= parsed
      }
    }
    if (newest === undefined && inputErrors.length === 0)
      inputErrors.push(`no key; make a line with ${HOW_TO_MAKE_A_LINE}`)
    if (newest === undefined || inputErrors.length > 0)
      throw new TypeError(`the keyring cannot be used: ${inputErrors.join('; ')}`)
    return new Keyring(newest, keys)
  }

  /** Seal `plaintext` under the newest key. Each call gives another text. */
  seal(aad: string, plaintext: string): string {
    const { kid, key } = this.#newest
    const iv = randomBytes(IV_BYTES)
    const head = Buffer.concat([Buffer.from([VERSION, kid.length]), Buffer.from(kid, 'latin1')])
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
    cipher.setAAD(Buffer.concat([head, Buffer.from(aad, 'utf8')]))
    const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final()])
    return Buffer.concat([head, iv, cipher.getAuthTag(), sealed]).toString('base64')
  }

  /** The plaintext of an envelope. Throws {@link UnsealError} for another purpose, an altered text or a missing key. */
  open(aad: string, envelope: string): string {
    const bytes = Buffer.from(envelope, 'base64')
    const kidLength = bytes[1] ?? 0
    const ivAt = 2 + kidLength
    const tagAt = ivAt + IV_BYTES
    const sealedAt = tagAt + TAG_BYTES
    if (bytes[0] !== VERSION || bytes.length < sealedAt)
      throw new UnsealError('this is no sealed value of a known version')
    const kid = bytes.toString('latin1', 2, ivAt)
    const key = this.#keys.get(kid)
    if (key === undefined)
      throw new UnsealError(
        `the key ${printable(kid)} that sealed this is not in the keyring; put its line back below the newest`,
      )
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(ivAt, tagAt), { authTagLength: TAG_BYTES })
    decipher.setAAD(Buffer.concat([bytes.subarray(0, ivAt), Buffer.from(aad, 'utf8')]))
    decipher.setAuthTag(bytes.subarray(tagAt, sealedAt))
    try {
      return Buffer.concat([decipher.update(bytes.subarray(sealedAt)), decipher.final()]).toString('utf8')
    } catch (cause) {
      throw new UnsealError('the sealed value was altered or belongs to something else', { cause })
    }
  }
}

/** A sealed value could not be opened. Its message holds neither the value nor a key. */
export class UnsealError extends Error {
  override readonly name = 'UnsealError'
}

/** Read the keyring of `WNS_FANOUT_KEYRING_FILE`. Throws what to do when the file is missing or unusable. */
export async function readKeyringFile(path: string): Promise<Keyring> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unreadable'
    throw new Error(
      `the keyring ${path} cannot be read (${code}); WNS_FANOUT_KEYRING_FILE must name a file with lines ` +
        `"kid base64-of-32-bytes", newest first. Make one with: ${HOW_TO_MAKE_A_LINE} > ${path}`,
      { cause },
    )
  }
  try {
    return Keyring.parse(text)
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
}

function parseLine(line: string): Key | { readonly inputError: string } {
  const words = line.trim().split(/\s+/)
  const [kid = '', encoded = ''] = words
  if (words.length !== 2) return { inputError: 'wanted "kid base64-of-32-bytes"' }
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(kid))
    return { inputError: 'a key id is 1 to 32 characters of A-Z, a-z, 0-9, "_" and "-"' }
  const key = Buffer.from(encoded, 'base64')
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(encoded) || key.length !== KEY_BYTES)
    return { inputError: `the key must be base64 of exactly ${KEY_BYTES} bytes, this is ${key.length}` }
  return { kid, key }
}

function printable(kid: string): string {
  return /^[A-Za-z0-9_-]{1,32}$/.test(kid) ? kid : '(unreadable id)'
}
