import { quoted } from '../remote.ts';

/**
 * Shell scripts for nodes: constant functions, and calls whose words are quoted. They travel on stdin (nothing of them is in a
 * process list) and run as root.
 */

/** A command and its words. */
export function call(command: string, ...words: readonly (string | number)[]): string {
  return [command, ...words.map((word) => quoted(String(word)))].join(' ');
}

export interface Script {
  /** Becomes root and reads the rest. */
  readonly script: string;
  readonly input: string;
}

/**
 * Bash reads a `{ }` to its end before it runs the first line of it: a script that was cut off on its way does nothing. What
 * runs in it has an empty stdin, so that nothing eats the rest.
 *
 * A script goes on when whoever sent it is gone. The next one waits for it, so that two never work on one node; daemons that a
 * script starts do not inherit the lock (`-o`).
 */
export function asRoot(lines: readonly string[]): Script {
  const input = [
    '{',
    'set -u',
    'export LC_ALL=C PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"',
    common,
    ...lines,
    'exit 0',
    '} </dev/null',
    '',
  ];
  return {
    script: `if [ "$(id -u)" = 0 ]; then exec ${locked}; else exec sudo -n -- ${locked}; fi`,
    input: input.join('\n'),
  };
}

/** How a script ends that waited in vain. */
export const stillRuns = 24;

/** Shorter than any script's deadline. */
const locked = `flock -o -w 45 -E ${stillRuns} /run/stackgate.lock bash -s`;

/** The end of a script that said a sentence for people on stderr; far from what shells and commands use. */
export const saidNo = 23;

const common = String.raw`
# fail WORD...: a sentence for people, and the end.
fail() {
  printf '%s\n' "$*" >&2
  exit ${saidNo}
}

# put FILE MODE OWNER CONTENT: whole or not at all.
put() {
  (umask 077 && printf '%s' "$4" >"$1.stackgate") && chown "$3" "$1.stackgate" && chmod "$2" "$1.stackgate" &&
    mv -f "$1.stackgate" "$1" || fail "cannot write $1"
}

# must COMMAND...: or its own complaint is the sentence.
must() {
  local said
  said=$("$@" 2>&1) || fail "$1 failed: $(printf '%s' "$said" | tail -n 3 | tr '\n' ' ')($*)"
}
`.trim();
