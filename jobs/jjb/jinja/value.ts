import { FormatMistake } from '../format.ts';

/** The value of a name nobody set. */
export class Missing {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

export function present(value: unknown): unknown {
  if (value instanceof Missing) {
    throw new FormatMistake(
      'missing-parameter',
      `Parameter ${value.name} is not set; a Jinja template needs it.`,
      value.name,
    );
  }
  return value;
}

export function mistake(message: string): FormatMistake {
  return new FormatMistake('format', `Jinja: ${message}`);
}
