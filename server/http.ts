/** What requests say in headers. */

/** `If-None-Match` names this ETag, weak or not. */
export function matchesTag(header: string | undefined, etag: string): boolean {
  return header !== undefined && header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** True when `Accept-Encoding` lists gzip (or everything) and does not refuse it. */
export function takesGzip(header: string | string[] | undefined): boolean {
  return (Array.isArray(header) ? header.join(',') : (header ?? '')).split(',').some((part) => {
    const [coding = '', ...params] = part.split(';').map((text) => text.trim().toLowerCase());
    return ['gzip', 'x-gzip', '*'].includes(coding) && !params.some((param) => /^q=0(\.0*)?$/.test(param));
  });
}
