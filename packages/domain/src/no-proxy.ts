/**
 * Does `NO_PROXY` exclude a host from the proxy? An entry matches the host itself and its subdomains; it may start with
 * `.` or `*.` and end with `:port`. `*` excludes every host. Commas and blanks separate entries.
 */
export function bypassesProxy(noProxy: string | undefined, host: string, port: number): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  return (noProxy ?? '')
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== '' && matches(entry, name, port))
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true
  const [, bracketed, plain, entryPort] = /^(?:\[([^\]]+)\]|(.+?))(?::(\d{1,5}))?$/.exec(entry) ?? []
  // More than one colon without brackets is an IPv6 address, which has no port here.
  const isAddress = bracketed === undefined && entry.split(':').length > 2
  if (!isAddress && entryPort !== undefined && Number(entryPort) !== port) return false
  const domain = (isAddress ? entry : (bracketed ?? plain ?? '')).replace(/^\*?\./, '')
  return domain !== '' && (host === domain || host.endsWith(`.${domain}`))
}
