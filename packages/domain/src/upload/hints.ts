/** For bytes that hold NUL characters. */
export const BYTES_OF_UTF16 = 'the file may be UTF-16; save it as UTF-8'

/** For lines that were joined on the way. */
export const CURL_JOINS_LINES = 'curl -d and --data remove line ends; use --data-binary'
