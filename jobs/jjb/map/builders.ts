import type { z } from 'zod';
import type { Builder } from '../../definition.ts';
import type { Component } from '../macros.ts';
import { isDict, pythonText } from '../python.ts';
import type { Report } from './report.ts';

export function mapBuilder(part: Component, report: Report): z.infer<typeof Builder> | undefined {
  if (part.name === 'shell') return shell(part, report);
  if (part.name === 'python') return python(part, report);
  report.unsupported('builder', part.name, part.at, part);
  return undefined;
}

/** `shell: text`, or since JJB 3 `shell: {command: text}`. */
function shell(part: Component, report: Report): z.infer<typeof Builder> | undefined {
  const { value } = part;
  const command = isDict(value) ? report.options('builder', part, ['command'])['command'] : value;
  if (command === undefined || command === null || typeof command === 'object') {
    report.error('part-options', 'The builder shell needs the text of a script.', part.at, undefined, part);
    return undefined;
  }
  return { kind: 'shell', script: pythonText(command) };
}

/** Jenkins runs the script with the `python` of the node's path. */
function python(part: Component, report: Report): z.infer<typeof Builder> | undefined {
  if (typeof part.value === 'string')
    return { kind: 'shell', script: `#!/usr/bin/env python\n${part.value}` };
  report.error('part-options', 'The builder python needs the text of a script.', part.at, undefined, part);
  return undefined;
}
