/** `ms-app://S-1-15-2-…`, the form that the token service expects, from either form; undefined for other texts. */
export function normalizePackageSid(text: string): string | undefined {
  const sid = /^(?:ms-app:\/\/)?(S-1-15-2(?:-\d{1,10}){1,12})\/?$/i.exec(text.trim())?.[1]
  return sid === undefined ? undefined : `ms-app://${sid.toUpperCase()}`
}
