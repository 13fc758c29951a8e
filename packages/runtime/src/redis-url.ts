const form = /^rediss?(?:\+(sentinel|cluster))?:\/\/(?:([^/\s]*)@)?([^@/?#\s]+)((?:\/[^/?#\s]*){0,2})$/

/** Whether the text is one of the four forms of REDIS_URL: one server, Sentinel or cluster, each with or without TLS. */
export function isRedisUrl(text: string): boolean {
  const found = form.exec(text)
  if (found === null) return false
  const [, kind = 'single', credentials = '', hosts = '', path = ''] = found
  if (/%(?![0-9a-f]{2})/i.test(credentials)) return false
  const names = path.split('/').slice(1)
  if (!hosts.split(',').every(isHost)) return false
  switch (kind) {
    case 'sentinel':
      return names[0] !== undefined && names[0] !== '' && isDatabase(names[1])
    case 'cluster':
      // A cluster has database 0 only.
      return names.length < 2 && names.every((name) => /^0*$/.test(name))
    default:
      return !hosts.includes(',') && names.length < 2 && isDatabase(names[0])
  }
}

function isHost(text: string): boolean {
  const found = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(\d{1,5}))?$/.exec(text)
  if (found === null) return false
  return found[1] === undefined || (Number(found[1]) >= 1 && Number(found[1]) <= 65_535)
}

function isDatabase(text: string | undefined): boolean {
  return text === undefined || /^\d{0,5}$/.test(text)
}
