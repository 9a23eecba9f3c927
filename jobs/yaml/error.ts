import { parseEvents, YAMLException } from 'js-yaml';
import type { TextIndex } from '../places.ts';
import type { Problem } from '../problem.ts';

/** Turns what the YAML parser says into what a person needs: the place where the mistake was made, and what to do. */

/** Leftovers of a merge, which YAML sometimes accepts as text. */
export function conflictMarker(text: string, index: TextIndex): Problem | undefined {
  const match = /^(?:<{7}|>{7}|\|{7})(?: |\r?$)/m.exec(text);
  if (match === null) return undefined;
  return {
    severity: 'error',
    code: 'conflict-marker',
    message: `A git conflict marker ${match[0].trim()} was left in the file.`,
    at: index.place(match.index),
    hint: 'Resolve the conflict: keep one side, then delete the <<<<<<<, ======= and >>>>>>> lines.',
  };
}

export function syntaxProblem(caught: unknown, text: string, index: TextIndex): Problem {
  if (!(caught instanceof YAMLException) || caught.mark === undefined) {
    const message = caught instanceof Error ? caught.message : String(caught);
    return { severity: 'error', code: 'yaml-syntax', message: `YAML: ${message}.`, at: index.place(0) };
  }
  const { reason, mark } = caught;
  const quote = /quoted scalar|deficient indentation/.test(reason)
    ? openQuote(text, mark.position)
    : undefined;
  if (quote !== undefined) {
    return {
      severity: 'error',
      code: 'yaml-quote',
      message: `The quote ${text[quote] ?? ''} that opens here is never closed.`,
      at: index.place(quote),
      hint: `The text runs on to line ${mark.line + 1}. Close the quote, or escape a quote that belongs to the text.`,
    };
  }
  const { code, message, hint } = explain(reason, text, mark.position);
  return { severity: 'error', code, message, at: index.place(Math.min(mark.position, text.length)), hint };
}

/** Where the quoted text begins that the parser was in at `end`: the text is cut there and closed. */
function openQuote(text: string, end: number): number | undefined {
  const cut = text.slice(0, end).trimEnd();
  for (const quote of ["'", '"']) {
    try {
      const last = parseEvents(`${cut}${quote}`, {}).findLast(
        (event) => 'valueEnd' in event && event.valueEnd >= 0,
      );
      if (
        last !== undefined &&
        'valueEnd' in last &&
        last.valueEnd === cut.length &&
        text[last.valueStart - 1] === quote
      ) {
        return last.valueStart - 1;
      }
    } catch {
      // Not this kind of quote.
    }
  }
  return undefined;
}

interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

function explain(reason: string, text: string, position: number): Explanation {
  const line = text.slice(text.lastIndexOf('\n', position - 1) + 1).split('\n', 1)[0] ?? '';
  if (/^\s*\t/.test(line) || /tab characters/.test(reason)) {
    return {
      code: 'yaml-tab',
      message: 'A tab is used for indentation; YAML only allows spaces.',
      hint: 'Replace the tab with spaces, as many as the lines around it have.',
    };
  }
  if (/maxDepth/.test(reason)) {
    return { code: 'yaml-too-deep', message: 'The file nests deeper than 100 levels.', hint: 'Flatten it.' };
  }
  if (/null byte|non-printable|valid JSON character/.test(reason)) {
    return {
      code: 'yaml-character',
      message: 'A control character is not allowed in YAML text.',
      hint: 'Remove it, or write it as an escape such as "\\e" in a double-quoted text.',
    };
  }
  if (/multiline key|expected ':'/.test(reason)) {
    return {
      code: 'yaml-syntax',
      message: 'A key needs a colon after it ("key: value").',
      hint: 'Check this line and the one before it: a missing colon, or a text that should be indented.',
    };
  }
  if (/mapping entry|sequence entry|document separator/.test(reason)) {
    const colon = /: .*: /.test(line) || /:\s.*:$/.test(line);
    return {
      code: 'yaml-indent',
      message:
        'This line does not fit the lines around it: its indentation belongs to no open list or mapping.',
      hint: colon
        ? 'A value that holds ": " must be put in quotes.'
        : 'Align it with its neighbours; a list item starts with "- ", a key ends with ":".',
    };
  }
  if (/character that cannot start|reserved|unexpected/.test(reason) || /^\s*[-\w]*:?\s*[@`%]/.test(line)) {
    return {
      code: 'yaml-syntax',
      message: `YAML: ${reason}.`,
      hint: 'A text that starts with one of @ ` % & * ! | > { } [ ] , # must be put in quotes.',
    };
  }
  return { code: 'yaml-syntax', message: `YAML: ${reason}.` };
}
