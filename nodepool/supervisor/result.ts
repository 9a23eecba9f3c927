import type { ShellExit } from '../../pipelines/ports.ts';

/** How a build ended, in the words of its supervisor (the last line of `run` in supervisor.sh). */
export interface BuildResult {
  readonly exit: ShellExit;
  /** Bytes of output. */
  readonly output: number;
  /** Processes that would not die. */
  readonly left: number;
}

export function parseResult(text: string): BuildResult {
  const fields = new Map(
    text
      .trim()
      .split(' ')
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const),
  );
  const number = (key: string) => Number(fields.get(key) ?? 0);
  const code = fields.get('code') ?? '';
  const signal = fields.get('signal') ?? '';
  const exit: ShellExit = {
    code: code === '' ? null : Number(code),
    step: number('step'),
    signal: signal === '' ? null : signal,
    stopped: reasonOf(fields.get('stopped')),
    startedAt: number('started'),
    finishedAt: number('finished'),
    diskFull: fields.get('full') === '1',
    dropped: number('dropped'),
  };
  return { exit, output: number('output'), left: number('left') };
}

function reasonOf(text: string | undefined): ShellExit['stopped'] {
  switch (text) {
    case 'timeout':
    case 'quiet':
    case 'cancel':
    case 'output':
      return text;
    default:
      return null;
  }
}
