/** The variables of a recipient as they are stored; undefined where they are not what the registry writes. */
export function storedVariables(text = ''): Record<string, string> | undefined {
  try {
    return text === '' ? {} : (JSON.parse(text) as Record<string, string>)
  } catch {
    return undefined
  }
}
