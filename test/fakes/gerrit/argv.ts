/**
 * Gerrit splits the SSH exec string itself, no shell is involved, and then reads options much like args4j. Three traps for
 * clients live here and are copied on purpose: empty tokens vanish (`--message ''` swallows the next token), only blank and
 * tab separate, and any later token that looks like `--x=y` is torn at the `=` even where it is the value of an option.
 */

/** A command that ended badly: what goes to stderr and the exit status. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exit: number;

  constructor(exit: number, stderr: string) {
    super(stderr);
    this.exit = exit;
  }
}

/** Gerrit's `die`: `fatal: ` and exit 1. */
export function die(message: string): CommandFailure {
  return new CommandFailure(1, `fatal: ${message}`);
}

/** The tokens of an exec string. */
export function splitCommand(line: string): string[] {
  const tokens: string[] = [];
  let token = '';
  let quote: '' | '"' | "'" = '';
  for (let i = 0; i < line.length; i++) {
    const char = line.charAt(i);
    if ((char === ' ' || char === '\t') && quote === '') {
      if (token !== '') tokens.push(token);
      token = '';
    } else if (char === '"' && quote !== "'") {
      quote = quote === '"' ? '' : '"';
    } else if (char === "'" && quote !== '"') {
      quote = quote === "'" ? '' : "'";
    } else if (char === '\\' && quote !== "'" && i + 1 < line.length) {
      token += line.charAt(++i);
    } else {
      token += char;
    }
  }
  if (token !== '') tokens.push(token);
  return tokens;
}

/** Tears `--name=value` in two until a lone `--`, which stays. */
export function tearOptions(tokens: readonly string[]): string[] {
  const end = tokens.indexOf('--');
  const head = end < 0 ? tokens : tokens.slice(0, end);
  const torn = head.flatMap((token) => {
    const equals = token.indexOf('=');
    return token.startsWith('--') && equals > 0 ? [token.slice(0, equals), token.slice(equals + 1)] : [token];
  });
  return end < 0 ? torn : [...torn, ...tokens.slice(end)];
}

/** An option: its names (`--message`, `-m`) and whether it takes a value. */
export interface Option {
  readonly names: readonly [string, ...string[]];
  readonly operand: boolean;
}

export interface Arguments {
  /** Was the option given? By its first name. */
  has(name: string): boolean;
  /** Last value given. */
  value(name: string): string | undefined;
  /** All values, in order. */
  values(name: string): readonly string[];
  readonly rest: readonly string[];
}

/** Options that every SSH command of Gerrit knows. */
const COMMON: readonly Option[] = [
  { names: ['--help', '-h'], operand: false },
  { names: ['--trace'], operand: false },
  { names: ['--trace-id'], operand: true },
  { names: ['--deadline'], operand: true },
];

export function parseArguments(tokens: readonly string[], options: readonly Option[]): Arguments {
  const known = new Map([...COMMON, ...options].flatMap((o) => o.names.map((name) => [name, o] as const)));
  const given = new Map<string, string[]>();
  const rest: string[] = [];
  const torn = tearOptions(tokens);
  for (let i = 0; i < torn.length; i++) {
    const token = torn[i] ?? '';
    if (token === '--') {
      rest.push(...torn.slice(i + 1));
      break;
    }
    if (!/^-./.test(token)) {
      rest.push(token);
      continue;
    }
    const option = known.get(token);
    if (option === undefined) throw die(`"${token}" is not a valid option`);
    const values = given.get(option.names[0]) ?? [];
    given.set(option.names[0], values);
    if (!option.operand) continue;
    const value = torn[++i];
    if (value === undefined) {
      const [name, alias] = option.names;
      throw die(`Option "${alias === undefined ? name : `${name} (${alias})`}" takes an operand`);
    }
    values.push(value);
  }
  if (given.has('--help')) {
    const lines = [...options, ...COMMON].map(
      (o) => ` ${o.names.join(' (')}${o.names.length > 1 ? ')' : ''}`,
    );
    throw new CommandFailure(1, `${lines.join('\n')}\n`);
  }
  return {
    has: (name) => given.has(name),
    value: (name) => given.get(name)?.at(-1),
    values: (name) => given.get(name) ?? [],
    rest,
  };
}
