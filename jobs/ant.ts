/**
 * ANT's file patterns, as Jenkins' archiver reads them: `*` and `?` stay within one folder, `**` spans any number of folders,
 * a pattern that ends in `/` means everything below. Nothing else is special: brackets, braces and `!` are plain letters, which
 * is why no general glob library is used here. A name is compared in linear space and at most quadratic time, whatever a
 * stranger called the file.
 */

export type AntPattern = readonly string[];

export function antPattern(text: string): AntPattern {
  const path = text.trim().replaceAll('\\', '/').replace(/^\.\//, '');
  const whole = path.endsWith('/') ? `${path}**` : path;
  return whole.split('/').filter((part, index) => part !== '' || index === 0);
}

export function antMatches(pattern: AntPattern, path: string): boolean {
  const parts = path.split('/');
  return wild(pattern, parts, '**', (part, name) => wild(letters(part), letters(name), '*', letterMatches));
}

/** True when something below the folder could match: other folders need not be walked. */
export function antMayMatchBelow(pattern: AntPattern, folder: string): boolean {
  const parts = folder.split('/');
  for (const [index, name] of parts.entries()) {
    const part = pattern[index];
    if (part === '**') return true;
    if (part === undefined || !wild(letters(part), letters(name), '*', letterMatches)) return false;
  }
  return pattern.length > parts.length;
}

/** By code points: `?` is one letter, also beyond the first 65,536. */
function letters(text: string): string[] {
  return Array.from(text);
}

function letterMatches(pattern: string, letter: string): boolean {
  return pattern === '?' || pattern === letter;
}

/** Matches a sequence against a pattern in which `star` stands for any run: on a mismatch only the last star grows. */
function wild(
  pattern: readonly string[],
  subject: readonly string[],
  star: string,
  same: (pattern: string, subject: string) => boolean,
): boolean {
  let p = 0;
  let s = 0;
  let lastStar = -1;
  let resume = 0;
  while (s < subject.length) {
    const part = pattern[p];
    if (part === star) {
      lastStar = p;
      resume = s;
      p += 1;
    } else if (part !== undefined && same(part, subject[s] ?? '')) {
      p += 1;
      s += 1;
    } else if (lastStar >= 0) {
      resume += 1;
      s = resume;
      p = lastStar + 1;
    } else {
      return false;
    }
  }
  while (pattern[p] === star) p += 1;
  return p === pattern.length;
}
