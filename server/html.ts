/** Text that is HTML already. Everything else is escaped when it is put into a template. */
export interface Html {
  readonly html: string;
}

type Part = Html | string | number | null | undefined | readonly Part[];

/** A template whose values are escaped: html`<td>${job.name}</td>`. */
export function html(texts: TemplateStringsArray, ...values: readonly Part[]): Html {
  return { html: texts.map((text, n) => text + render(values[n])).join('') };
}

function render(part: Part): string {
  if (part === null || part === undefined) return '';
  if (typeof part === 'string' || typeof part === 'number') return escapeHtml(String(part));
  if ('html' in part) return part.html;
  return part.map(render).join('');
}

/** Safe as text and inside quoted attributes. Control and direction characters, which could hide what is there, show as `�`. */
export function escapeHtml(text: string): string {
  return (
    text
      // oxlint-disable-next-line no-control-regex -- control characters are exactly what is replaced
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
      .replace(/[&<>"'`]/g, (character) => `&#${character.charCodeAt(0)};`)
  );
}

/** An address that a page may link to: http, https, or a path of ours. Anything else is no link. */
export function safeUrl(url: string | null | undefined): string | undefined {
  if (url === null || url === undefined) return undefined;
  if (/^\/(?!\/)/.test(url)) return url;
  return /^https?:\/\/[^\s"'<>`]+$/i.test(url) ? url : undefined;
}

export function link(url: string | null | undefined, text: string): Html {
  const safe = safeUrl(url);
  return safe === undefined ? html`${text}` : html`<a href="${safe}">${text}</a>`;
}

export interface Page {
  readonly title: string;
  readonly body: Html;
}

/** A whole document. `root` of its links is the server itself. */
export function page({ title, body }: Page): string {
  const { html: text } = html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
${body}
</body>
</html>
`;
  return text;
}
