import { isDict, pythonEqual, pythonText, pythonTruth } from '../python.ts';
import { callMethod, filters, tests } from './library.ts';
import { Missing, mistake, present } from './value.ts';

/** Expressions of Jinja2, as far as job files use them. A missing name is an error as soon as it is used. */

export interface Scope {
  lookUp(name: string): unknown;
}

export type Expression = (scope: Scope) => unknown;

const TOKEN =
  /\s+|(\d+\.\d+|\d+)|([A-Za-z_]\w*)|'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|(==|!=|<=|>=|\/\/|[-+*/%~<>=|.,:()[\]{}])/sy;

interface Token {
  readonly kind: 'number' | 'name' | 'text' | 'sign' | 'end';
  readonly text: string;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const match = TOKEN.exec(text);
    if (match === null) throw mistake(`${JSON.stringify(text.slice(at, at + 20))} cannot be read.`);
    const [, number, name, single, double, sign] = match;
    if (number !== undefined) tokens.push({ kind: 'number', text: number });
    else if (name !== undefined) tokens.push({ kind: 'name', text: name });
    else if (sign !== undefined) tokens.push({ kind: 'sign', text: sign });
    else if (single !== undefined || double !== undefined)
      tokens.push({ kind: 'text', text: unescape(single ?? double ?? '') });
  }
  return tokens;
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/gs, (_, char: string) => ESCAPES[char] ?? char);
}

/** Reads expressions from one tag. */
export class ExpressionReader {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  get done(): boolean {
    return this.#at >= this.#tokens.length;
  }

  peek(text?: string): boolean {
    const token = this.#tokens[this.#at];
    return token !== undefined && (text === undefined || (token.kind !== 'text' && token.text === text));
  }

  take(text: string): boolean {
    const found = this.peek(text);
    if (found) this.#at++;
    return found;
  }

  need(text: string): void {
    if (!this.take(text)) throw mistake(`${JSON.stringify(text)} is missing.`);
  }

  name(): string {
    const token = this.#tokens[this.#at++];
    if (token?.kind !== 'name') throw mistake('a name is missing.');
    return token.text;
  }

  end(): void {
    const token = this.#tokens[this.#at];
    if (token !== undefined) throw mistake(`${JSON.stringify(token.text)} was not expected.`);
  }

  expression(): Expression {
    if (++this.#depth > 60) throw mistake('the expression nests too deeply.');
    const value = this.#or();
    this.#depth--;
    if (!this.take('if')) return value;
    const condition = this.#or();
    const other = this.take('else') ? this.expression() : () => '';
    return (scope) => (truth(condition(scope)) ? value(scope) : other(scope));
  }

  #or(): Expression {
    let left = this.#and();
    while (this.take('or')) {
      const [a, b] = [left, this.#and()];
      left = (scope) => {
        const value = a(scope);
        return truth(value) ? value : b(scope);
      };
    }
    return left;
  }

  #and(): Expression {
    let left = this.#not();
    while (this.take('and')) {
      const [a, b] = [left, this.#not()];
      left = (scope) => {
        const value = a(scope);
        return truth(value) ? b(scope) : value;
      };
    }
    return left;
  }

  #not(): Expression {
    if (!this.take('not')) return this.#compare();
    if (++this.#depth > 60) throw mistake('the expression nests too deeply.');
    const operand = this.#not();
    this.#depth--;
    return (scope) => !truth(operand(scope));
  }

  #compare(): Expression {
    let left = this.#concat();
    for (;;) {
      const operator = ['==', '!=', '<=', '>=', '<', '>', 'in'].find((sign) => this.take(sign));
      if (operator !== undefined) left = comparison(operator, left, this.#concat());
      else if (this.take('is')) left = this.#test(left);
      else if (this.peek('not')) {
        this.need('not');
        this.need('in');
        const inside = comparison('in', left, this.#concat());
        left = (scope) => !truth(inside(scope));
      } else return left;
    }
  }

  #test(operand: Expression): Expression {
    const negative = this.take('not');
    const name = this.name();
    const test = tests.get(name);
    if (test === undefined) throw mistake(`the test ${JSON.stringify(name)} is not supported.`);
    return (scope) => test(operand(scope)) !== negative;
  }

  #concat(): Expression {
    let left = this.#sum();
    while (this.take('~')) {
      const [a, b] = [left, this.#sum()];
      left = (scope) => pythonText(present(a(scope))) + pythonText(present(b(scope)));
    }
    return left;
  }

  #sum(): Expression {
    let left = this.#product();
    for (;;) {
      const operator = ['+', '-'].find((sign) => this.take(sign));
      if (operator === undefined) return left;
      left = arithmetic(operator, left, this.#product());
    }
  }

  #product(): Expression {
    let left = this.#unary();
    for (;;) {
      const operator = ['*', '//', '/', '%'].find((sign) => this.take(sign));
      if (operator === undefined) return left;
      left = arithmetic(operator, left, this.#unary());
    }
  }

  #unary(): Expression {
    if (!this.take('-')) return this.#postfix(this.#primary());
    const operand = this.#postfix(this.#primary());
    return arithmetic('-', () => 0, operand);
  }

  #postfix(start: Expression): Expression {
    let value = start;
    for (;;) {
      const owner = value;
      if (this.take('.')) {
        const name = this.name();
        value = this.peek('(') ? this.#call(owner, name) : (scope) => member(present(owner(scope)), name);
      } else if (this.take('[')) {
        const key = this.expression();
        this.need(']');
        value = (scope) => member(present(owner(scope)), present(key(scope)));
      } else if (this.take('|')) value = this.#filter(owner);
      else return value;
    }
  }

  #call(owner: Expression, name: string): Expression {
    const args = this.arguments();
    return (scope) =>
      callMethod(
        present(owner(scope)),
        name,
        args.map((arg) => present(arg(scope))),
      );
  }

  #filter(owner: Expression): Expression {
    const name = this.name();
    const filter = filters.get(name);
    if (filter === undefined) throw mistake(`the filter ${JSON.stringify(name)} is not supported.`);
    const args = this.peek('(') ? this.arguments() : [];
    return (scope) => {
      const value = owner(scope);
      return filter(
        name === 'default' || name === 'd' ? value : present(value),
        args.map((arg) => present(arg(scope))),
      );
    };
  }

  arguments(): Expression[] {
    this.need('(');
    return this.#list(')');
  }

  #list(end: string): Expression[] {
    const items: Expression[] = [];
    while (!this.take(end)) {
      items.push(this.expression());
      if (!this.take(',')) {
        this.need(end);
        break;
      }
    }
    return items;
  }

  #primary(): Expression {
    const token = this.#tokens[this.#at++];
    if (token === undefined) throw mistake('an expression is missing.');
    if (token.kind === 'number') {
      const number = Number(token.text);
      return () => number;
    }
    if (token.kind === 'text') return () => token.text;
    if (token.kind === 'name') return this.#named(token.text);
    if (token.text === '(') return this.#parenthesis();
    if (token.text === '[') {
      const items = this.#list(']');
      return (scope) => items.map((item) => present(item(scope)));
    }
    if (token.text === '{') return this.#dict();
    throw mistake(`${JSON.stringify(token.text)} was not expected.`);
  }

  #named(name: string): Expression {
    switch (name) {
      case 'true':
      case 'True':
        return () => true;
      case 'false':
      case 'False':
        return () => false;
      case 'none':
      case 'None':
        return () => null;
      default:
        break;
    }
    if (!this.peek('(')) return (scope) => scope.lookUp(name);
    if (name !== 'range') throw mistake(`the function ${name} is not supported.`);
    const args = this.arguments();
    return (scope) => range(args.map((arg) => Number(present(arg(scope)))));
  }

  #parenthesis(): Expression {
    const items: Expression[] = [];
    let list = false;
    while (!this.take(')')) {
      items.push(this.expression());
      if (this.take(',')) list = true;
      else if (!this.peek(')')) throw mistake('")" is missing.');
    }
    const [only] = items;
    if (only !== undefined && !list) return only;
    return (scope) => items.map((item) => present(item(scope)));
  }

  #dict(): Expression {
    const pairs: [Expression, Expression][] = [];
    while (!this.take('}')) {
      const key = this.expression();
      this.need(':');
      pairs.push([key, this.expression()]);
      if (!this.take(',') && !this.peek('}')) throw mistake('"}" is missing.');
    }
    return (scope) =>
      Object.fromEntries(
        pairs.map(([key, value]) => [pythonText(present(key(scope))), present(value(scope))]),
      );
  }
}

export function truth(value: unknown): boolean {
  return pythonTruth(present(value));
}

function member(owner: unknown, key: unknown): unknown {
  const name = pythonText(key);
  if (isDict(owner)) return Object.hasOwn(owner, name) ? owner[name] : new Missing(name);
  if ((Array.isArray(owner) || typeof owner === 'string') && typeof key === 'number') {
    return owner.at(key) ?? new Missing(name);
  }
  return new Missing(name);
}

function comparison(operator: string, left: Expression, right: Expression): Expression {
  return (scope) => {
    const [a, b] = [present(left(scope)), present(right(scope))];
    switch (operator) {
      case '==':
        return pythonEqual(a, b);
      case '!=':
        return !pythonEqual(a, b);
      case 'in':
        if (typeof b === 'string') return b.includes(pythonText(a));
        if (Array.isArray(b)) return b.some((item) => pythonEqual(a, item));
        return isDict(b) && Object.hasOwn(b, pythonText(a));
      default:
        return ordered(operator, order(a, b));
    }
  };
}

function order(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : Number(a > b);
  const [x, y] = [Number(a), Number(b)];
  if (Number.isNaN(x) || Number.isNaN(y)) throw mistake('these values cannot be compared.');
  return x - y;
}

function ordered(operator: string, sign: number): boolean {
  if (operator === '<') return sign < 0;
  if (operator === '<=') return sign <= 0;
  return operator === '>' ? sign > 0 : sign >= 0;
}

function arithmetic(operator: string, left: Expression, right: Expression): Expression {
  return (scope) => {
    const [a, b] = [present(left(scope)), present(right(scope))];
    if (operator === '+' && typeof a === 'string' && typeof b === 'string') return a + b;
    if (operator === '+' && Array.isArray(a) && Array.isArray(b)) return [...a, ...b];
    const [x, y] = [Number(a), Number(b)];
    const numbers = typeof a !== 'string' && typeof b !== 'string' && !Number.isNaN(x) && !Number.isNaN(y);
    if (!numbers || ('/%'.includes(operator[0] ?? '') && y === 0))
      throw mistake(`"${operator}" does not fit these values.`);
    if (operator === '+') return x + y;
    if (operator === '-') return x - y;
    if (operator === '*') return x * y;
    if (operator === '/') return x / y;
    return operator === '//' ? Math.floor(x / y) : x - y * Math.floor(x / y);
  };
}

function range(args: readonly number[]): number[] {
  const [start, stop, step] =
    args.length === 1 ? [0, args[0] ?? 0, 1] : [args[0] ?? 0, args[1] ?? 0, args[2] ?? 1];
  const size = step === 0 ? Number.NaN : Math.max(0, Math.ceil((stop - start) / step));
  if (!(size <= 100_000)) throw mistake('the range is too large.');
  return Array.from({ length: size }, (_, index) => start + index * step);
}
