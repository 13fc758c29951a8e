const MARK = '\u0002'
const usual = /^https:\/\/([a-z0-9.-]+)\.notify\.windows\.com\/\?token=/

/**
 * How a channel URI is stored: one of the usual form, `https://<name>.notify.windows.com/?token=<token>`, as a mark and
 * `<name>?<token>`, which saves 33 of about 190 bytes; any other as it is. The mark cannot begin a URI, so no two URIs
 * are stored alike.
 */
export function packUri(uri: string): string {
  const found = usual.exec(uri)
  return found === null ? uri : `${MARK}${found[1]}?${uri.slice(found[0].length)}`
}

/** The URI that is stored so, byte for byte. */
export function unpackUri(stored: string): string {
  if (!stored.startsWith(MARK)) return stored
  const at = stored.indexOf('?')
  return `https://${stored.slice(MARK.length, at)}.notify.windows.com/?token=${stored.slice(at + 1)}`
}
