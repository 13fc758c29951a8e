/** The variables of a recipient; undefined where they are not what the registry writes, which concerns no other one. */
export function storedVariables(text = ''): Record<string, string> | undefined {
  try {
    return text === '' ? {} : (JSON.parse(text) as Record<string, string>)
  } catch {
    return undefined
  }
}
