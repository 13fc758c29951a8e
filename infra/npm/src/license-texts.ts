/** The texts of libraries that publish their license without it. */
export const licenseTexts: Readonly<Record<string, string>> = {
  saxes: isc(
    'Copyright (c) Contributors',
    'saxes is a fork of sax: Copyright (c) Isaac Z. Schlueter and Contributors, under the same license',
  ),
}

/** The ISC license as https://spdx.org/licenses/ISC.html has it. */
function isc(...copyright: readonly string[]): string {
  return `ISC License

${copyright.join('\n')}

Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted,
provided that the above copyright notice and this permission notice appear in all copies.

THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL
IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN AN
ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR PERFORMANCE OF
THIS SOFTWARE.`
}
