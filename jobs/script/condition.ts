import type { Conditional } from '../definition/builder.ts';
import { type Condition, STATUSES, type Status } from '../definition/condition.ts';
import { prelude, quoted } from './prelude.ts';

/**
 * A condition as a script for the node, since only there its variables and files are known: exit code 0 runs the steps it
 * guards, 1 leaves them out, 2 means that it cannot be told.
 */
export function conditionScript({ condition, undecided, steps }: Conditional): string {
  const some = steps.length === 1 ? 'a step is' : `${steps.length} steps are`;
  const outcome = { fail: 'exit 2', run: 'exit 0', skip: 'exit 1' }[undecided];
  return `${prelude}${library}
__sg_unknown=''
if ${compiled(condition)}; then __sg_met=yes; else __sg_met=''; fi
if [[ $__sg_unknown ]]; then echo "The condition cannot be told: $__sg_unknown"; ${outcome}; fi
[[ $__sg_met ]] && { echo 'The condition is met'; exit 0; }
echo 'The condition is not met: ${some} left out'
exit 1
`;
}

const library = String.raw`
__sg_true() {
  __sg_expand "$1"
  [[ \${__sg_text,,} =~ ^[[:space:]]*(1|y|yes|t|true|on|run)[[:space:]]*$ ]]
}
__sg_same() {
  __sg_expand "$2"
  local __sg_left=$__sg_text
  __sg_expand "$3"
  if [[ $1 ]]; then [[ \${__sg_left,,} == "\${__sg_text,,}" ]]; else [[ $__sg_left == "$__sg_text" ]]; fi
}
__sg_compare() {
  local __sg_left __sg_number='^[[:space:]]*[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?[[:space:]]*$'
  __sg_expand "$1"
  __sg_left=$__sg_text
  __sg_expand "$3"
  if [[ ! $__sg_left =~ $__sg_number || ! $__sg_text =~ $__sg_number ]]; then
    __sg_unknown="$(printf '%q and %q' "$__sg_left" "$__sg_text") are not both numbers"
    return 1
  fi
  awk -v a="$__sg_left" -v b="$__sg_text" "BEGIN { exit !(a + 0 $2 b + 0) }"
}
__sg_matches() {
  __sg_expand "$2"
  [[ $__sg_text =~ $1 ]]
}
__sg_script() {
  local __sg_file __sg_code
  __sg_file=$(mktemp) && printf '%s' "$1" >"$__sg_file" || { __sg_unknown='no room for its script'; return 1; }
  shift
  "$@" "$__sg_file"
  __sg_code=$?
  rm -f "$__sg_file"
  return "$__sg_code"
}
__sg_there() {
  __sg_expand "$1"
  [[ -e $__sg_text ]]
}
# Patterns before "--" and without what matches one after it.
__sg_files() {
  local __sg_path __sg_side=in
  declare -A __sg_out=()
  local __sg_in=() IFS=''
  shopt -s globstar nullglob dotglob
  for __sg_pattern in "$@"; do
    if [[ $__sg_pattern == -- ]]; then __sg_side=out; continue; fi
    for __sg_path in $__sg_pattern; do
      [[ -f $__sg_path ]] || continue
      if [[ $__sg_side == in ]]; then __sg_in+=("$__sg_path"); else __sg_out[$__sg_path]=1; fi
    done
  done
  for __sg_path in "\${__sg_in[@]}"; do [[ \${__sg_out[$__sg_path]-} ]] || return 0; done
  return 1
}
__sg_now() {
  local __sg_time
  __sg_time=$(date +%H%M)
  if [[ $1 > $2 ]]; then [[ ! $__sg_time < $1 || ! $__sg_time > $2 ]]; else [[ ! $__sg_time < $1 && ! $__sg_time > $2 ]]; fi
}
__sg_among() {
  local __sg_wanted=$1
  shift
  for __sg_each in "$@"; do [[ $__sg_each == "$__sg_wanted" ]] && return 0; done
  return 1
}
`.replaceAll('\\$', '$');

function compiled(condition: Condition): string {
  switch (condition.kind) {
    case 'always':
      return 'true';
    case 'never':
      return 'false';
    case 'boolean':
      return `__sg_true ${quoted(condition.expression)}`;
    case 'strings':
      return `__sg_same ${quoted(condition.ignoreCase ? 'yes' : '')} ${quoted(condition.a)} ${quoted(condition.b)}`;
    case 'numbers':
      return `__sg_compare ${quoted(condition.a)} '${SIGNS[condition.comparator]}' ${quoted(condition.b)}`;
    case 'regex':
      return `__sg_matches ${quoted(extended(condition.pattern) ?? 'a^')} ${quoted(condition.text)}`;
    case 'shell': {
      const words = interpreter(condition.script);
      return `__sg_script ${quoted(condition.script)} ${words.map(quoted).join(' ')}`;
    }
    case 'file':
      return `__sg_there ${quoted(condition.path)}`;
    case 'files':
      return `__sg_files ${[...condition.include.map(glob), '--', ...condition.exclude.map(glob)].map(quoted).join(' ')}`;
    case 'days':
      return `__sg_among "$(date +%u)" ${condition.days.join(' ')}`;
    case 'time':
      return `__sg_now ${quoted(condition.earliest)} ${quoted(condition.latest)}`;
    case 'nodes':
      return `__sg_among "$NODE_NAME" ${condition.names.map(quoted).join(' ')}`;
    case 'status':
      return `__sg_among "\${STACKGATE_STATUS:-SUCCESS}" ${between(condition.best, condition.worst).join(' ')}`;
    case 'cause':
      return `[[ "$BUILD_CAUSE" == ${quoted(condition.cause)} ]]`;
    case 'not':
      return `! { ${compiled(condition.operand)}; }`;
    case 'and':
    case 'or': {
      const between = condition.kind === 'and' ? ' && ' : ' || ';
      const all = condition.operands.map((operand) => `{ ${compiled(operand)}; }`).join(between);
      return all === '' ? 'true' : `{ ${all}; }`;
    }
    default:
      return unreachable(condition);
  }
}

function unreachable(condition: never): never {
  throw new Error(`no condition: ${JSON.stringify(condition)}`);
}

const SIGNS = { lt: '<', gt: '>', eq: '==', ne: '!=', le: '<=', ge: '>=' } as const;

function between(best: Status, worst: Status): readonly Status[] {
  return STATUSES.slice(STATUSES.indexOf(best), STATUSES.indexOf(worst) + 1);
}

/** As Jenkins reads a script's first line. */
function interpreter(script: string): readonly string[] {
  const words = script.startsWith('#!') ? (script.slice(2).split('\n')[0] ?? '').trim().split(/[ \t]+/) : [];
  return words[0] === undefined || words[0] === '' ? ['/bin/sh', '-xe'] : words;
}

/** An ANT pattern for bash with globstar: only `*` and `?` mean something. */
function glob(pattern: string): string {
  return pattern.replaceAll('\\', '/').replaceAll('[', '[[]');
}

/**
 * A pattern of Java for bash, which must match the whole text; undefined where the two differ: bash has no lookaround, no lazy
 * repetition, no flags and no back references.
 */
export function extended(pattern: string): string | undefined {
  let out = '';
  for (let at = 0; at < pattern.length; at++) {
    const sign = pattern[at] ?? '';
    if (sign === '\\') {
      const letter = pattern[++at] ?? '';
      const set = SETS[letter];
      if (set !== undefined) out += set;
      else if (letter === '' || /[A-Za-z0-9]/.test(letter)) return undefined;
      else out += `\\${letter}`;
    } else if (sign === '(' && pattern[at + 1] === '?') {
      if (pattern[at + 2] !== ':') return undefined;
      out += '(';
      at += 2;
    } else if (/[*+?}]/.test(sign) && /[?+]/.test(pattern[at + 1] ?? '')) {
      return undefined;
    } else if (sign === '[') {
      const end = pattern.indexOf(']', at + 2);
      const inside = pattern.slice(at, end + 1);
      // Sets within sets and escapes read differently.
      if (end < 0 || inside.includes('\\') || inside.slice(1).includes('[') || inside.includes('&&'))
        return undefined;
      out += inside;
      at = end;
    } else out += sign;
  }
  return `^(${out})$`;
}

const SETS: Readonly<Record<string, string>> = {
  d: '[0-9]',
  D: '[^0-9]',
  w: '[A-Za-z0-9_]',
  W: '[^A-Za-z0-9_]',
  s: '[[:space:]]',
  S: '[^[:space:]]',
};
