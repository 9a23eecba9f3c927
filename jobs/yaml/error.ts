import { parseEvents, YAMLException } from 'js-yaml';
import type { TextIndex } from '../places.ts';
import type { Problem } from '../problem.ts';

/** Turns what the YAML parser says into what a person needs: the place where the mistake was made, and what to do. */

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

/** js-yaml names what it expected; most people need to hear what they wrote. */
function explain(reason: string, text: string, position: number): Explanation {
  const start = text.lastIndexOf('\n', position - 1) + 1;
  const line = text.slice(start).split('\n', 1)[0] ?? '';
  if (/^\s*\t/.test(line) || reason.includes('tab characters')) {
    return {
      code: 'yaml-tab',
      message: 'A tab is used for indentation; YAML only allows spaces.',
      hint: 'Replace the tab with spaces, as many as the lines around it have.',
    };
  }
  if (reason.includes('maxDepth')) {
    return { code: 'yaml-too-deep', message: 'The file nests deeper than 100 levels.', hint: 'Flatten it.' };
  }
  if (/null byte|non-printable|valid JSON character/.test(reason)) {
    return {
      code: 'yaml-character',
      message: 'A control character is not allowed in YAML text.',
      hint: 'Remove it, or write it as an escape such as "\\e" in a double-quoted text.',
    };
  }
  if (/flow collection|deficient indentation/.test(reason)) return explainBracket(reason);
  const before = text.slice(start, position);
  if (/mapping entry|sequence entry|separator is expected/.test(reason))
    return explainEntry(text, before, position);
  if (/multiline key|expected ':'/.test(reason)) {
    return {
      code: 'yaml-syntax',
      message: 'A key needs a colon after it ("key: value").',
      hint: 'Check this line and the one before it: a missing colon, or a text that should be indented.',
    };
  }
  const hint = /alias|anchor|tag/.test(reason)
    ? 'A text that starts with * & or ! must be put in quotes.'
    : undefined;
  return { code: 'yaml-syntax', message: `YAML: ${reason}.`, ...(hint === undefined ? {} : { hint }) };
}

function explainBracket(reason: string): Explanation {
  const comma = reason.includes('missed comma');
  return {
    code: 'yaml-bracket',
    message: comma
      ? 'A comma is missing here, or the "[" or "{" before it is not closed.'
      : 'A "[" or "{" that opens above is not closed before this place.',
    hint: 'Close it; a text that holds brackets, braces or ": " must be put in quotes.',
  };
}

/** js-yaml calls anything that is left over on a line a bad indentation. */
function explainEntry(text: string, before: string, position: number): Explanation {
  const char = text[position] ?? '';
  if ('@`%'.includes(char) && char !== '') {
    return {
      code: 'yaml-quote',
      message: `A text cannot start with ${char}.`,
      hint: 'Put the text in quotes.',
    };
  }
  if (/["']\s*$/.test(before)) {
    return {
      code: 'yaml-quote',
      message: 'Something stands behind the closing quote.',
      hint: 'Put all of the text in quotes; inside them write a single quote twice, a double quote as \\".',
    };
  }
  if (char === ']' || char === '}') {
    return {
      code: 'yaml-bracket',
      message: `This ${char} closes nothing.`,
      hint: 'Remove it, or put the text in quotes.',
    };
  }
  const indent: Explanation = {
    code: 'yaml-indent',
    message:
      'This line does not fit the lines around it: its indentation belongs to no open list or mapping.',
    hint: 'Align it with its neighbours; a list item starts with "- ", a key ends with ":".',
  };
  if (char !== ':') return indent;
  if (/:\s/.test(before)) return { ...indent, hint: 'A value that holds ": " must be put in quotes.' };
  return {
    code: 'yaml-syntax',
    message: 'This key follows a line without a colon, and the two were read as one text.',
    hint: 'Add the colon that is missing in a line before it.',
  };
}
